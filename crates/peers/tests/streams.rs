//! Another stream of a workload is other work: every allocation and every free is recorded.

use strategy_broken::Recording;
use workloads::{Stream, Workload, hot};

/// Which workloads draw, found by what they do over eight streams.
#[derive(Default)]
struct Drawing(Vec<&'static str>);

impl hot::Visitor for Drawing {
    fn visit<W: Workload + Copy + 'static>(&mut self, workload: W) {
        let name = workload.description().name;
        let calls = |stream| {
            let mut recorder = Recording::default();
            let once = &mut |passes: &mut workloads::Passes<'_>| {
                passes(1)?.verified(workload.answer(stream)).map(drop)
            };
            workload.run(&mut recorder, stream, once).unwrap();
            recorder.calls()
        };
        let streams: Vec<_> = (0..8).map(|number| calls(Stream::numbered(number))).collect();
        assert!(streams[0] == calls(Stream::FIRST), "{name}: a stream is not what it was");
        let pairs = || (0..streams.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        if pairs().all(|(one, other)| streams[one] != streams[other]) {
            self.0.push(name);
        } else {
            assert!(
                pairs().all(|(one, other)| streams[one] == streams[other]),
                "{name}: only some are others"
            );
        }
    }
}

#[test]
fn another_stream_is_another_order_or_other_sizes() {
    let mut drawing = Drawing::default();
    hot::visit(&mut drawing);
    assert_eq!(drawing.0, ["batch-random", "churn", "churn-pareto", "request", "fragment"]);
}
