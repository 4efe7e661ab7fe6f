//! The state of a widget here, in step with its view in the front end: ipywidgets' protocol, version 2.1.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use lathe_events::frame::{Bundle, Comm, CommAction, Frame};
use serde_json::{Map, Value, json};

use super::callbacks;
use crate::inbox::lock;
use crate::out::{self, Place};

pub(super) const VIEW_MIME: &str = "application/vnd.jupyter.widget-view+json";
const TARGET: &str = "jupyter.widget";
const BASE: &str = "@jupyter-widgets/base";
const CONTROLS: &str = "@jupyter-widgets/controls";
const MODULE_VERSION: &str = "2.0.0";

/// Everything that has a view, by comm id.
static MODELS: LazyLock<Mutex<BTreeMap<String, Arc<Model>>>> = LazyLock::new(Mutex::default);

/// Called with the state as it is.
pub(super) type Callback = Box<dyn FnMut() + Send>;

/// One widget, or its layout or style.
pub(super) struct Model {
    id: String,
    state: Mutex<Map<String, Value>>,
    pub(super) callback: Mutex<Option<Callback>>,
    pub(super) clicks: AtomicU64,
    open: AtomicBool,
}

impl Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", lock(&self.state))
    }
}

fn names(module: &str, model: &str, view: Value) -> Value {
    json!({
        "_model_module": module, "_model_module_version": MODULE_VERSION, "_model_name": model,
        "_view_module": module, "_view_module_version": MODULE_VERSION, "_view_name": view,
        "_view_count": null,
    })
}

impl Model {
    fn new(names: Value, state: Value) -> Arc<Self> {
        let mut all = Map::new();
        for part in [names, state] {
            if let Value::Object(part) = part {
                all.extend(part);
            }
        }
        Arc::new(Self {
            // As front ends make them: 32 digits that nobody else has.
            id: format!("{:016x}{:016x}", stamp(), stamp()),
            state: Mutex::new(all),
            callback: Mutex::new(None),
            clicks: AtomicU64::new(0),
            open: AtomicBool::new(false),
        })
    }

    /// A control called `name` in ipywidgets (`IntSlider`), with its own part of the state.
    pub(super) fn control(name: &str, state: Value) -> Arc<Self> {
        let common = json!({
            "_dom_classes": [], "description": "", "description_allow_html": false, "disabled": false,
            "tabbable": null, "tooltip": null,
        });
        let model = Self::new(names(CONTROLS, &format!("{name}Model"), format!("{name}View").into()), common);
        if let Value::Object(state) = state {
            lock(&model.state).extend(state);
        }
        model
    }

    pub(super) fn get(&self, key: &str) -> Value {
        lock(&self.state).get(key).cloned().unwrap_or_default()
    }

    /// Changes a part of the state, here and in the view.
    pub(super) fn set(&self, key: &str, value: Value) {
        lock(&self.state).insert(key.to_owned(), value.clone());
        if self.open.load(Ordering::SeqCst) {
            self.say(json!({"method": "update", "state": {key: value}, "buffer_paths": []}), None);
        }
    }

    /// The view: what the front end draws, and text for where it cannot.
    pub(super) fn bundle(self: &Arc<Self>, style: &str, text: String) -> Bundle {
        let bundle = Bundle::text(text);
        if out::place() != Place::Kernel {
            return bundle;
        }
        self.open(style);
        bundle.with(VIEW_MIME, json!({"version_major": 2, "version_minor": 0, "model_id": self.id}))
    }

    /// Makes the other half in the front end, once.
    fn open(self: &Arc<Self>, style: &str) {
        if self.open.swap(true, Ordering::SeqCst) {
            return;
        }
        let layout = Self::new(names(BASE, "LayoutModel", "LayoutView".into()), json!({}));
        let mut style_names = names(BASE, style, "StyleView".into());
        style_names["_model_module"] = CONTROLS.into();
        let style = Self::new(style_names, json!({}));
        lock(&self.state).insert("layout".into(), format!("IPY_MODEL_{}", layout.id).into());
        lock(&self.state).insert("style".into(), format!("IPY_MODEL_{}", style.id).into());
        for model in [&layout, &style, self] {
            model.open.store(true, Ordering::SeqCst);
            lock(&MODELS).insert(model.id.clone(), Arc::clone(model));
            let data = json!({"state": *lock(&model.state), "buffer_paths": []});
            let metadata = Map::from_iter([("version".to_owned(), "2.1.0".into())]);
            let action = CommAction::Open { target: TARGET.into() };
            let comm = Comm { comm_id: model.id.clone(), action, data, metadata };
            out::send(&Frame::Comm { comm, token: None });
        }
    }

    fn say(&self, data: Value, token: Option<&str>) {
        say(&self.id, data, token);
    }

    /// The view speaks; returns whether the value changed or the button was pressed.
    fn hear(&self, data: &Value, token: &str) -> bool {
        match data["method"].as_str() {
            Some("update") => {
                let Some(news) = data["state"].as_object() else { return false };
                let mut state = lock(&self.state);
                let mut changed = false;
                for (key, value) in news {
                    // A view changes what it has got and adds nothing.
                    if let Some(old) = state.get_mut(key) {
                        changed |= old != value && matches!(key.as_str(), "value" | "index");
                        old.clone_from(value);
                    }
                }
                drop(state);
                // Other views of the same widget (a second browser window) follow.
                self.say(json!({"method": "echo_update", "state": news, "buffer_paths": []}), Some(token));
                changed
            }
            Some("request_state") => {
                let state = lock(&self.state).clone();
                self.say(json!({"method": "update", "state": state, "buffer_paths": []}), Some(token));
                false
            }
            Some("custom") if data["content"]["event"] == "click" => {
                self.clicks.fetch_add(1, Ordering::SeqCst);
                true
            }
            _ => false,
        }
    }
}

fn say(comm_id: &str, data: Value, token: Option<&str>) {
    let comm = Comm { comm_id: comm_id.to_owned(), action: CommAction::Message, data, metadata: Map::new() };
    out::send(&Frame::Comm { comm, token: token.map(str::to_owned) });
}

/// What a page needs to draw all widgets again after it was loaded anew.
fn all_states() -> Value {
    let models = lock(&MODELS);
    let states = models.iter().map(|(id, model)| {
        let state = lock(&model.state).clone();
        let of = |key: &str| state.get(key).cloned().unwrap_or_default();
        let entry = json!({
            "model_name": of("_model_name"), "model_module": of("_model_module"),
            "model_module_version": of("_model_module_version"), "state": state,
        });
        (id.clone(), entry)
    });
    json!({"method": "update_states", "states": states.collect::<Map<_, _>>(), "buffer_paths": []})
}

/// A message of the front end, on the thread that reads them; it never waits for a callback.
pub(crate) fn on_comm(comm: Comm, token: String, idle: bool) {
    let model = lock(&MODELS).get(&comm.comm_id).cloned();
    match (comm.action, model) {
        (CommAction::Message, Some(model)) if model.hear(&comm.data, &token) => {
            return callbacks::run(model, token, idle);
        }
        (CommAction::Message, None) if comm.data["method"] == "request_states" => {
            say(&comm.comm_id, all_states(), Some(&token));
        }
        (CommAction::Close, _) => drop(lock(&MODELS).remove(&comm.comm_id)),
        _ => {}
    }
    out::send(&Frame::CommDone { token });
}

/// 64 bits that do not come again: a counter, the process and the clock, well mixed.
fn stamp() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // A RandomState has keys of its own from the system's random numbers.
    RandomState::new().hash_one((NEXT.fetch_add(1, Ordering::Relaxed), std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_changes_values_and_nothing_else() {
        let model = Model::control("IntSlider", json!({"value": 3, "min": 0, "max": 9}));
        assert!(model.hear(&json!({"method": "update", "state": {"value": 4, "made_up": 1}}), "t"));
        assert_eq!((model.get("value"), model.get("made_up")), (json!(4), Value::Null));
        assert!(!model.hear(&json!({"method": "update", "state": {"value": 4}}), "t"), "no change");
        assert!(!model.hear(&json!({"method": "update", "state": 4}), "t"));
        assert!(!model.hear(&json!("nonsense"), "t"));
        assert!(model.hear(&json!({"method": "custom", "content": {"event": "click"}}), "t"));
        assert_eq!(model.clicks.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_state_names_model_and_view_as_ipywidgets_does() {
        let model = Model::control("IntSlider", json!({"value": 3}));
        model.open("SliderStyleModel");
        let states = all_states();
        let state = &states["states"][&model.id];
        assert_eq!(state["model_name"], "IntSliderModel");
        assert_eq!(state["model_module"], CONTROLS);
        assert_eq!(state["state"]["_view_name"], "IntSliderView");
        let style = state["state"]["style"].as_str().and_then(|s| s.strip_prefix("IPY_MODEL_")).unwrap_or_default();
        let style = &states["states"][style];
        assert_eq!((&style["model_name"], &style["model_module"]), (&json!("SliderStyleModel"), &json!(CONTROLS)));
        assert_eq!(style["state"]["_view_module"], BASE);
        on_comm(
            Comm { comm_id: model.id.clone(), action: CommAction::Close, data: Value::Null, metadata: Map::new() },
            "t".into(),
            true,
        );
        assert!(all_states()["states"].get(&model.id).is_none());
    }
}
