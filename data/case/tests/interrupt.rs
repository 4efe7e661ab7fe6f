//! Alone in its process: the interrupt flag belongs to all threads.

use case::{Arm, Calendar, CaseError, Silent, Trial};
use lathe_events::interrupt;

#[test]
fn a_trial_stops_when_asked() {
    let trial = || Trial::paired(1..=10, vec![Arm::new("calendar", |_| Calendar { every_days: 45.0 })]);
    interrupt::request();
    let stopped = trial().run(&mut Silent);
    interrupt::clear();
    assert!(matches!(stopped, Err(CaseError::Interrupted(_))), "{stopped:?}");
    assert_eq!(trial().run(&mut Silent).expect("nobody asks any more").runs().len(), 10);
}
