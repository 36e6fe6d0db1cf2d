//! Runs every model.

use heirloom_loom::{allowances, gates, sessions};

/// One test for each model, of the same name.
macro_rules! models {
    ($($room:ident: $($model:ident)+;)+) => {
        $($(
            #[test]
            fn $model() {
                $room::$model();
            }
        )+)+
    };
}

models! {
    allowances:
        allowing_races_with_the_end
        whoever_sees_that_it_was_allowed_finds_it
        the_count_and_the_registry_agree
        an_actor_starts_while_its_name_is_allowed
        an_actor_starts_while_its_owner_by_birth_ends
        two_owners_allow_one_task
        two_owners_allow_one_running_actor;
    gates:
        entering_races_with_closing
        leaving_races_with_closing
        two_close_one_gate;
    sessions:
        a_checkout_races_with_a_mode_change
        first_uses_race_with_a_mode_change
        nobody_is_inside_an_evicted_session_unseen
        a_checkin_races_with_a_timeout_and_a_new_checkout
        two_owners_share_one_repo
        two_owners_share_one_repo_while_one_ends;
}
