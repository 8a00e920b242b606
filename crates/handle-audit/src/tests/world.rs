//! One thread plays producers and drain, step by step, in an order that a script decides.
//!
//! The script is a list of actions. Between passes the world runs producers' actions; an action [`Action::Drain`]
//! lets the drain take its next step: begin a pass, look at one ring, empty one ring, look at one ring again. So
//! any interleaving of steps can be written down, replayed and shrunk.
//!
//! Rings and switches are sequentially consistent here, and so are the cells unless a lane is told to lag: then it
//! reads them as stale as a weak memory allows ([`super::causality`]).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use super::causality::{Causality, Clock};
use super::model::{Model, Told};
use crate::config::AuditConfig;
use crate::drain::{Control, Observer};
use crate::focus::Focus;
use crate::losses::Losses;
use crate::merge::Taken;
use crate::pipeline::Pipeline;
use crate::record::Slot;
use crate::recorder::Recorder;
use crate::recorder::steps::{Call, Step};
use crate::stamp::stripe_of;
use crate::{Frame, Operation, Snapshot};

/// The next handle on the same stripe.
pub(crate) fn neighbour(handle: u32) -> u32 {
    let mut others = (handle + 4..).step_by(4);
    others.find(|other| stripe_of(*other) == stripe_of(handle)).expect("stripes are few")
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A producer takes its next step; if it rests, it begins this call.
    Step(usize, Call),
    /// A producer makes a whole call.
    Whole(usize, Call),
    /// A resting producer lets go of its ring, and another claims it.
    HandOver(usize),
    /// One producer tells another all that it has done and seen.
    Message(usize, usize),
    /// A producer reads cells as they were up to so many stores ago.
    Lag(usize, usize),
    /// Another focus is told to the drain.
    Focus(Vec<u32>),
    /// The audit is switched on or off.
    Switch(bool),
    /// The drain takes its next step.
    Drain,
    /// Everything before is folded. Within a pass it is a step of the drain.
    Flush,
}

/// One attempt to record, and the stretch of time it took.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) ring: usize,
    pub(crate) call: Call,
    pub(crate) started: u64,
    /// `None` while it is under way.
    pub(crate) finished: Option<u64>,
    /// How many finished records of each lane happened before it.
    pub(crate) heard: Clock,
    /// Which of its lane's records it is, once finished.
    pub(crate) number: Option<u64>,
}

#[derive(Debug)]
struct Lane {
    recorder: Option<Recorder>,
    under_way: Option<(usize, Step)>,
}

#[derive(Debug)]
struct Players {
    lanes: Vec<Lane>,
    script: VecDeque<Action>,
    clock: u64,
    attempts: Vec<Attempt>,
    causality: Causality,
}

/// What the drain said, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Focus(Focus),
    Record(Told),
}

impl Said {
    pub(crate) fn record(taken: &Taken, operation: Operation, stack: &[Frame]) -> Self {
        Self::Record(Told {
            ring: taken.ring(),
            position: taken.position,
            operation,
            handle: taken.record.handle(),
            kind: taken.record.kind(),
            entry: taken.record.entry(),
            frames: stack.to_vec(),
        })
    }
}

/// Sits in the drain: writes down what it folds, and lets the producers go on between its steps.
#[derive(Debug)]
struct Watch {
    pipeline: std::sync::Weak<Pipeline>,
    players: Arc<Mutex<Players>>,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Observer for Watch {
    fn stepped(&mut self) {
        if let Some(pipeline) = self.pipeline.upgrade() {
            self.players.lock().unwrap().play(&pipeline);
        }
    }

    fn folded(&mut self, taken: &Taken, operation: Operation, stack: &[Frame]) {
        assert!(matches!(taken.record.slot(), Slot::Head(head) if head == operation));
        self.said.lock().unwrap().push(Said::record(taken, operation, stack));
    }

    fn focused(&mut self, focus: &Focus) {
        self.said.lock().unwrap().push(Said::Focus(focus.clone()));
    }
}

/// A flush, and the accounts it ended with.
#[derive(Debug)]
pub(crate) struct Flushed {
    /// When it began, and when it ended.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// How much the drain had said by its end.
    pub(crate) said: usize,
    pub(crate) losses: Losses,
}

/// What a script led to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) said: Vec<Said>,
    pub(crate) flushes: Vec<Flushed>,
    pub(crate) snapshot: Snapshot,
}

/// A pipeline without a thread, with these rings, switched on.
pub(crate) fn pipeline(config: &AuditConfig, make_rings: impl FnOnce(&Pipeline)) -> Arc<Pipeline> {
    let pipeline = Arc::new(Pipeline::new(config.rings, config.focus.clone()));
    make_rings(&pipeline);
    pipeline.switch(true);
    pipeline
}

/// Plays a script to its end and takes a snapshot.
pub(crate) fn play(config: &AuditConfig, script: Vec<Action>) -> Outcome {
    play_in(config, script, |pipeline| pipeline.make_rings(config))
}

/// The same with rings that live elsewhere.
pub(crate) fn play_in(
    config: &AuditConfig,
    script: Vec<Action>,
    make_rings: impl FnOnce(&Pipeline),
) -> Outcome {
    let pipeline = pipeline(config, make_rings);
    let lane = |ring| Lane { recorder: pipeline.claim(ring).ok(), under_way: None };
    let players = Arc::new(Mutex::new(Players {
        lanes: (0..config.rings).map(lane).collect(),
        script: script.into(),
        clock: 0,
        attempts: Vec::new(),
        causality: Causality::new(config.rings, pipeline.shared.stamps.choose(0) - 1),
    }));
    let said = Arc::new(Mutex::new(vec![Said::Focus(config.focus.clone())]));
    pipeline.drain().unwrap().seam.0 = Some(Box::new(Watch {
        pipeline: Arc::downgrade(&pipeline),
        players: players.clone(),
        said: said.clone(),
    }));
    let clock = || players.lock().unwrap().clock;
    let mut flushes = Vec::new();
    loop {
        let drain = players.lock().unwrap().play(&pipeline);
        match drain {
            Some(Action::Flush) => {
                let (began, losses) = (clock(), pipeline.losses().unwrap());
                let said = said.lock().unwrap().len();
                flushes.push(Flushed { began, ended: clock(), said, losses });
            }
            Some(_) => drop(pipeline.pass().unwrap()),
            None => break,
        }
    }
    players.lock().unwrap().rest();
    let snapshot = pipeline.snapshot().unwrap();
    let said = said.lock().unwrap().clone();
    let attempts = players.lock().unwrap().attempts.clone();
    Outcome { attempts, said, flushes, snapshot }
}

impl Players {
    /// Plays until it is the drain's turn, or the script ends.
    fn play(&mut self, pipeline: &Pipeline) -> Option<Action> {
        while let Some(action) = self.script.pop_front() {
            self.clock += 1;
            match action {
                Action::Step(lane, call) => self.step(pipeline, lane % self.lanes.len(), call),
                Action::Whole(lane, call) => self.whole(pipeline, lane % self.lanes.len(), call),
                Action::HandOver(lane) => {
                    let lane = lane % self.lanes.len();
                    self.finish(lane);
                    self.lanes[lane].recorder = None;
                    self.lanes[lane].recorder = Some(pipeline.claim(lane).unwrap());
                }
                Action::Message(from, to) => {
                    let [from, to] = [from, to].map(|lane| lane % self.lanes.len());
                    self.finish(from);
                    self.causality.message(from, to);
                }
                Action::Lag(lane, stale) => self.causality.lag(lane % self.lanes.len(), stale),
                Action::Focus(handles) => pipeline.tell(Control::Focus(handles.into_iter().collect())),
                Action::Switch(on) => pipeline.switch(on),
                Action::Drain | Action::Flush => return Some(action),
            }
        }
        None
    }

    fn attempt(&mut self, ring: usize, mut call: Call) -> (usize, Call) {
        let id = self.attempts.len();
        // The address that no rule looks at tells attempts apart.
        call.entry.lr = id as u32;
        let heard = self.causality.clock(ring);
        let started = self.clock;
        self.attempts.push(Attempt {
            ring,
            call: call.clone(),
            started,
            finished: None,
            heard,
            number: None,
        });
        (id, call)
    }

    fn step(&mut self, pipeline: &Pipeline, ring: usize, call: Call) {
        match self.lanes[ring].under_way.take() {
            Some((id, step)) => self.go_on(ring, id, step),
            None if self.recorder(ring).is_enabled() => {
                let (id, call) = self.attempt(ring, call);
                let began = self.at_once(pipeline, ring, call.handle, |recorder| recorder.begin(call));
                match began {
                    Step::Chosen(call, _) => {
                        let stamp = self.causality.choose(ring, stripe_of(call.handle));
                        self.lanes[ring].under_way = Some((id, Step::Chosen(call, stamp)));
                    }
                    _ => self.finished(ring, id),
                }
            }
            None => self.recorder(ring).call(&call),
        }
    }

    fn whole(&mut self, pipeline: &Pipeline, ring: usize, call: Call) {
        self.finish(ring);
        if self.recorder(ring).is_enabled() {
            let (id, call) = self.attempt(ring, call);
            self.at_once(pipeline, ring, call.handle, |recorder| recorder.call(&call));
            self.finished(ring, id);
        } else {
            self.recorder(ring).call(&call);
        }
    }

    /// Lets a recorder go on. If it took a stamp and showed it, that was one more than all there were.
    fn at_once<T>(
        &mut self,
        pipeline: &Pipeline,
        ring: usize,
        handle: u32,
        act: impl FnOnce(&mut Recorder) -> T,
    ) -> T {
        let next = pipeline.shared.stamps.choose(handle);
        let done = act(self.recorder(ring));
        if pipeline.shared.stamps.choose(handle) > next {
            self.causality.store_after_all(ring, stripe_of(handle), next);
        }
        done
    }

    fn go_on(&mut self, ring: usize, id: usize, step: Step) {
        if let Step::Chosen(call, stamp) = &step {
            self.causality.store(ring, stripe_of(call.handle), *stamp);
        }
        match self.recorder(ring).go_on(step) {
            Step::Done => self.finished(ring, id),
            step => self.lanes[ring].under_way = Some((id, step)),
        }
    }

    fn finished(&mut self, ring: usize, id: usize) {
        self.attempts[id].finished = Some(self.clock);
        self.attempts[id].number = Some(self.causality.finished(ring));
    }

    fn finish(&mut self, ring: usize) {
        while let Some((id, step)) = self.lanes[ring].under_way.take() {
            self.go_on(ring, id, step);
        }
    }

    fn rest(&mut self) {
        self.clock += 1;
        (0..self.lanes.len()).for_each(|ring| self.finish(ring));
    }

    fn recorder(&mut self, ring: usize) -> &mut Recorder {
        self.lanes[ring].recorder.as_mut().expect("every ring has its recorder")
    }
}

impl Outcome {
    /// The model, fed in the order in which the drain folded.
    pub(crate) fn model(&self) -> Model {
        model_of(&self.said)
    }
}

/// The model after all that the drain said.
pub(crate) fn model_of(said: &[Said]) -> Model {
    let mut model = Model::default();
    for said in said {
        match said {
            Said::Focus(focus) => model.set_focus(focus.iter().collect::<BTreeSet<_>>()),
            Said::Record(told) => model.tell(told.clone()),
        }
    }
    model
}
