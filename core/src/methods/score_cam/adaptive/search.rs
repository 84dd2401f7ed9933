//! [`search`]: score a few masks, learn from them which to score next, stop when it is enough.

use nalgebra::{DMatrix, DVector};

use super::before::{self, Before};
use super::budget::Budget;
use super::mask_geometry::MaskGeometry;
use super::posterior::{Link, Posterior};
use super::process::Process;
use crate::methods::score_cam::Setup;
use crate::methods::score_cam::options::Reduce;
use crate::methods::score_cam::weights::MaskScorer;
use crate::tensor::room_for;
use crate::{BatchRule, ClassScore, Error, ErrorKind, OutputActivation, Result};

/// Masks that are scored at a time; more where the model takes more at once.
const STEP: usize = 8;
/// No estimate is trusted before this many masks are scored.
pub(super) const TRUSTED: usize = 24;
/// The estimated error is this many deviations.
const DEVIATIONS: f64 = 2.5;
/// Beyond this many observed masks only kernels next to the present one are tried.
const WELL_KNOWN: usize = 32;
/// Beyond this many observed masks the kernel stays.
const SETTLED: usize = 160;
/// Targets that steer how the process is fitted and which masks are scored; the others profit.
const STEERING: usize = 8;

/// For each target the scores of all masks, observed or predicted, less the baseline's; and the estimated error
/// of the worst target's map, relative to its norm.
pub(super) async fn search(setup: &Setup<'_>, budget: &Budget) -> Result<(Vec<Vec<f64>>, f64)> {
    if setup.options.reduce != Reduce::Sum {
        return Err(Error::invalid(format!(
            "an estimate from fewer passes is possible only for a sum; use reduce=sum, method score-cam, or passes \
             of at least {}",
            setup.plan.count()
        )));
    }
    let geometry = MaskGeometry::new(setup)?;
    let search = Search {
        setup,
        scorer: MaskScorer::new(setup, budget.passes.min(setup.plan.count())).await?,
        geometry: &geometry,
        link: link(setup),
        before: Before::new(setup),
        observed: vec![Vec::new(); setup.study.context.targets.len()],
    };
    let baselines: Vec<f64> =
        setup.study.context.targets.iter().map(|&class| search.scorer.baseline(class)).collect();
    let found = search.run(budget).await?;
    before::keep(setup, found.0.iter().map(Vec::as_slice).zip(baselines));
    Ok(found)
}

/// Probabilities by their logarithms, raw outputs as they are.
fn link(setup: &Setup<'_>) -> Link {
    let applied = setup.study.context.output_activation;
    match applied {
        OutputActivation::Value => Link::Identity,
        OutputActivation::None | OutputActivation::Unknown | OutputActivation::Binary
            if setup.options.scoring.score == ClassScore::Logit =>
        {
            Link::Identity
        }
        _ => Link::Log,
    }
}

struct Search<'s> {
    setup: &'s Setup<'s>,
    scorer: MaskScorer<'s>,
    geometry: &'s MaskGeometry,
    link: Link,
    before: Before,
    /// For each target the scores of the observed masks, in the order in which they were scored.
    observed: Vec<Vec<f64>>,
}

impl<'s> Search<'s> {
    async fn run(mut self, budget: &Budget) -> Result<(Vec<Vec<f64>>, f64)> {
        let most = budget.passes.min(self.geometry.count());
        let mut process = Process::new(self.geometry);
        let mut next = self.first();
        next.truncate(most);
        next.iter().try_for_each(|&m| process.observe(m).map(|_| ()))?;
        let (mut fitted_at, mut look_at) = (0, TRUSTED);
        loop {
            match self.score(&next).await {
                // The time is up: the map is made of what is known, if that is anything.
                Err(late) if late.kind() == ErrorKind::Deadline && fitted_at > 0 => {
                    process.forget(next.len())?;
                    let found = self.found(&process, f64::INFINITY)?;
                    return found.ok_or(late);
                }
                scored => scored?,
            }
            let known = process.observed.len();
            if fitted_at == 0 || known <= SETTLED && 5 * known >= 7 * fitted_at {
                process.fit(&self.values(&process.observed), fitted_at > 0 && known > WELL_KNOWN)?;
                fitted_at = known;
            }
            if known == most || budget.error > 0.0 && known >= look_at {
                look_at = known * 9 / 8;
                let enough = if known == most { f64::INFINITY } else { budget.error };
                if let Some(found) = self.found(&process, enough)? {
                    return Ok(found);
                }
            }
            next = self.choose(&mut process, self.step(known).min(most - known))?;
        }
    }

    /// The masks that are scored before anything is known: half of them those with the most energy, half in the
    /// middle of others.
    fn first(&self) -> Vec<usize> {
        let (wanted, strong) = (self.step(0), &self.geometry.strong);
        let medoids = self.geometry.medoids(wanted.div_ceil(2));
        let mut first = Vec::new();
        for m in strong.iter().take(wanted.div_ceil(2)).chain(&medoids).chain(strong) {
            if first.len() < wanted && !first.contains(m) {
                first.push(*m);
            }
        }
        first
    }

    /// How many masks to score next when some are known: enough to fill the model's batch, more when much is known.
    fn step(&self, known: usize) -> usize {
        let step = match self.setup.study.model.batch {
            BatchRule::Fixed(n) => STEP.div_ceil(n) * n,
            BatchRule::Any { .. } => STEP,
        };
        (known / 8 / step).max(1) * step
    }

    async fn score(&mut self, masks: &[usize]) -> Result<()> {
        let scores = self.scorer.scores(masks).await?;
        self.observed.iter_mut().zip(scores).for_each(|(all, some)| all.extend(some));
        Ok(())
    }

    /// What the process is fitted to.
    fn values(&self, masks: &[usize]) -> Vec<DVector<f64>> {
        let steering = self.observed.iter().take(STEERING).enumerate();
        let of_target = |(target, scores): (usize, &Vec<f64>)| {
            self.link.values(scores, (masks, self.before.target(target))).about_expected
        };
        steering.map(of_target).collect()
    }

    /// What is estimated of each target, one after the other.
    fn posteriors<'b>(&'b self, process: &'b Process<'_>) -> impl Iterator<Item = Posterior> + 'b {
        let norm = self.setup.options.weight_norm;
        let targets = self.observed.iter().zip(&self.setup.study.context.targets).enumerate();
        targets.map(move |(target, (observed, &class))| {
            let values = self.link.values(observed, (&process.observed, self.before.target(target)));
            let known = (observed.as_slice(), self.scorer.baseline(class));
            Posterior::new(process, self.geometry, (values, norm), known)
        })
    }

    /// The scores and the error of [`search`] as they are estimated to be now; `None` where the error is above
    /// `enough`.
    fn found(&self, process: &Process<'_>, enough: f64) -> Result<Option<(Vec<Vec<f64>>, f64)>> {
        let mut scores = room_for(&[self.observed.len()])?;
        let mut worst: f64 = 0.0;
        for posterior in self.posteriors(process) {
            worst = worst.max(DEVIATIONS * posterior.error(process, self.geometry)?);
            if worst > enough {
                return Ok(None);
            }
            scores.push(posterior.scores);
        }
        Ok(Some((scores, worst)))
    }

    /// The masks whose scores take the most uncertainty out of the maps, one after the other; `process` observes
    /// them.
    fn choose(&self, process: &mut Process<'_>, count: usize) -> Result<Vec<usize>> {
        let posteriors: Vec<Posterior> = self.posteriors(process).take(STEERING).collect();
        let mut views: Vec<View<'_>> =
            posteriors.iter().map(|posterior| View::new(posterior, process, self.geometry)).collect();
        let mut open = vec![true; self.geometry.count()];
        process.observed.iter().for_each(|&m| open[m] = false);
        let mut chosen = Vec::new();
        for _ in 0..count {
            let mut gains = vec![0.0; open.len()];
            views.iter().for_each(|view| view.add_gains(process, self.geometry, &mut gains));
            let best = (0..open.len()).filter(|&m| open[m]).max_by(|&a, &b| {
                let order = gains[a].total_cmp(&gains[b]);
                order.then(self.geometry.energy[a].total_cmp(&self.geometry.energy[b])).then(b.cmp(&a))
            });
            let Some(best) = best else { break };
            let column = process.observe(best)?;
            views.iter_mut().for_each(|view| view.observe(&column, self.geometry));
            open[best] = false;
            chosen.push(best);
        }
        Ok(chosen)
    }
}

/// What is uncertain in one target's map.
struct View<'b> {
    posterior: &'b Posterior,
    /// What variances have to be multiplied by to be relative to the map's squared norm.
    factor: f64,
    /// The strong masks' coarse maps, each times its slope.
    maps: DMatrix<f32>,
    /// The covariance of each mask with the sum of these, [N, cells].
    spread: DMatrix<f32>,
    /// The squared norm of each row of it.
    explained: Vec<f32>,
}

impl<'b> View<'b> {
    fn new(posterior: &'b Posterior, process: &Process<'_>, geometry: &MaskGeometry) -> Self {
        let mut maps = geometry.coarse.clone();
        for (mut row, &m) in maps.row_iter_mut().zip(&geometry.strong) {
            row *= posterior.slopes[m];
        }
        let spread = process.spread(&maps);
        let mut explained = vec![0.0; spread.nrows()];
        spread.column_iter().for_each(|cell| add_squares(cell.as_slice(), &mut explained));
        Self { posterior, factor: posterior.factor(), maps, spread, explained }
    }

    /// What the score of each mask would take out of the uncertainty: by what it tells of others, and its own.
    fn add_gains(&self, process: &Process<'_>, geometry: &MaskGeometry, gains: &mut [f64]) {
        for (m, gain) in gains.iter_mut().enumerate() {
            let unknown = process.variance[m] + process.kernel.nugget;
            let own = unknown * self.posterior.slopes[m].powi(2) * geometry.energy[m];
            *gain += self.factor * f64::from(self.explained[m] / unknown + own);
        }
    }

    /// Takes a mask as observed whose column of the process's factor this is.
    fn observe(&mut self, column: &DVector<f32>, geometry: &MaskGeometry) {
        let known = self.maps.tr_mul(&column.select_rows(&geometry.strong));
        self.explained.fill(0.0);
        for (mut cell, &known) in self.spread.column_iter_mut().zip(&known) {
            cell.axpy(-known, column, 1.0);
            add_squares(cell.as_slice(), &mut self.explained);
        }
    }
}

fn add_squares(values: &[f32], sums: &mut [f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += v * v);
}
