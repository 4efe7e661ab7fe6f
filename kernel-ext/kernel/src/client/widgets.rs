use crate::protocol::Message;
use serde_json::{Map, Value, json};

/// The state of the widgets of one notebook, as front ends keep it in the notebook's metadata, so that they are drawn
/// without a kernel.
#[derive(Debug, Default)]
pub(super) struct Widgets {
    models: Map<String, Value>,
}

impl Widgets {
    /// Takes a comm message from the kernel.
    pub fn take(&mut self, message: &Message) {
        let id = message.text("comm_id");
        let data = message.content.get("data").and_then(Value::as_object);
        let state = data.and_then(|data| data.get("state")).and_then(Value::as_object);
        match message.kind() {
            "comm_open" if message.text("target_name") == "jupyter.widget" => {
                self.models.insert(id.to_owned(), state.cloned().unwrap_or_default().into());
            }
            "comm_msg" => {
                if let (Some(Value::Object(model)), Some(state)) = (self.models.get_mut(id), state) {
                    model.extend(state.clone());
                }
            }
            "comm_close" => drop(self.models.remove(id)),
            _ => {}
        }
    }

    /// The value of `metadata.widgets`; `None` without widgets.
    pub fn metadata(&self) -> Option<Value> {
        let models: Map<String, Value> = self
            .models
            .iter()
            .filter(|(_, state)| state.get("_model_name").is_some())
            .map(|(id, state)| {
                let model = json!({
                    "model_name": state["_model_name"],
                    "model_module": state["_model_module"],
                    "model_module_version": state["_model_module_version"],
                    "state": state,
                });
                (id.clone(), model)
            })
            .collect();
        let state = json!({"version_major": 2, "version_minor": 0, "state": models});
        (!models.is_empty()).then(|| json!({"application/vnd.jupyter.widget-state+json": state}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Codec;

    #[test]
    fn the_last_state_of_open_widgets_is_kept() {
        let codec = Codec::new("", "test");
        let mut widgets = Widgets::default();
        let mut tell = |kind, content| widgets.take(&codec.message(kind, content, &Map::new()));
        let state = json!({"_model_name": "IntSliderModel", "_model_module": "@jupyter-widgets/controls",
            "_model_module_version": "2.0.0", "value": 1, "max": 9});
        let open = |id| json!({"comm_id": id, "target_name": "jupyter.widget", "data": {"state": state}});
        tell("comm_open", open("a"));
        tell("comm_open", open("b"));
        tell("comm_open", json!({"comm_id": "c", "target_name": "other", "data": {"state": {"_model_name": "X"}}}));
        tell("comm_msg", json!({"comm_id": "a", "data": {"method": "update", "state": {"value": 5}}}));
        tell("comm_msg", json!({"comm_id": "a", "data": {"method": "custom", "content": {"value": 7}}}));
        tell("comm_close", json!({"comm_id": "b", "data": {}}));
        let metadata = widgets.metadata().expect("one widget is open");
        let models = &metadata["application/vnd.jupyter.widget-state+json"]["state"];
        assert_eq!(models.as_object().map(Map::len), Some(1));
        assert_eq!(models["a"]["model_name"], "IntSliderModel");
        assert_eq!((&models["a"]["state"]["value"], &models["a"]["state"]["max"]), (&json!(5), &json!(9)));
        assert_eq!(Widgets::default().metadata(), None);
    }
}
