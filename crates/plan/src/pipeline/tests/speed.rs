//! Large runs stay cheap: the work of one event grows with the number of steps, not with its square.

use windlass_kinds::record::StepState;

use super::world::World;

/// Runs a pipeline through and returns the number of events it took.
fn through(text: &str) -> usize {
    let mut world = World::new(text);
    world.places = u32::MAX;
    world.play("look");
    let mut events = 1;
    while !world.state.run.state.is_final() {
        // All that run end, one by one.
        let running = world.state.steps.iter().filter(|step| step.state == StepState::Running);
        let running: Vec<String> = running.map(|step| step.display_name()).collect();
        for step in running {
            let (event, idle) = world.event(&format!("ok {step}"));
            world.apply(event, idle);
            events += 1;
        }
    }
    events
}

#[test]
fn a_thousand_steps_in_a_row() {
    let steps: Vec<String> =
        (0..1000).map(|n| if n == 0 { "s0".to_owned() } else { format!("s{n}: s{}", n - 1) }).collect();
    assert_eq!(through(&steps.join("; ")), 1001);
    // The other way round in the file: one look still settles everything that a failure blocks.
    let backwards: Vec<String> = steps.into_iter().rev().collect();
    let mut world = World::new(&backwards.join("; "));
    world.play("look");
    world.play("fail s0");
    assert!(world.state.run.state.is_final());
}

#[test]
fn a_thousand_items_and_a_fan_in() {
    let items: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let items = items.join(",");
    assert_eq!(through(&format!("a[{items}]; b[{items}]: a; c[{items}] @needs=a; d: b c")), 3002);
}
