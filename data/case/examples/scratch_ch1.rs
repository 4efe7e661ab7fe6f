//! scratch
use case::*;
use data::plant::*;
use lab::metrics::auroc;
use lab::models::vae::*;
use std::time::Instant;
type Windows = SensorWindows<24, 4>;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dev = lab::Cpu::default();
    let t = Instant::now();
    let plant = Plant::simulate(&PlantConfig::default())?;
    println!("simulate {:?}", t.elapsed());
    println!("{}", plant.truth().failures_frame()?);
    let spec = WindowSpec::default();
    let windows = Windows::cut(plant.observed(), Channel::ALL, &spec)?;
    let (train, test) = windows.split_at_day(210);
    let healthy = train.healthy();
    println!("{} windows, healthy train {}, test {}", windows.len(), healthy.len(), test.len());
    let scaler = Scaler::fit(&healthy);
    for (epochs, sigma) in [(30usize, Likelihood::GaussianLearned), (60, Likelihood::GaussianLearned), (40, Likelihood::Gaussian { sigma: 0.5 })] {
        let t = Instant::now();
        let mut vae = DenseVae::<96, 64, 8>::new(VaeConfig { epochs, likelihood: sigma, ..VaeConfig::default() })?;
        let x = scaler.transform(&healthy).flat::<96>(&dev)?;
        let history = vae.fit(&x, &mut Silent)?;
        let fit_time = t.elapsed();
        let test_l = test.labelled();
        let labels = test_l.labels();
        let scores = vae.score(&scaler.transform(&test_l).flat::<96>(&dev)?)?;
        let rec = vae.reconstruction_error(&scaler.transform(&test_l).flat::<96>(&dev)?)?;
        let last_vib: Vec<f32> = (0..test_l.len()).map(|i| ((test_l.row(i)[23 * 4 + 2] - scaler.mean()[2]) / scaler.std()[2]).abs()).collect();
        let mean_vib: Vec<f32> = (0..test_l.len()).map(|i| (0..24).map(|s| test_l.row(i)[s * 4 + 2]).sum::<f32>()).collect();
        let age: Vec<f32> = test_l.rows().iter().map(|r| r.hours_since_service).collect();
        let mut t2rows = vec![];
        let h = scaler.transform(&healthy);
        for i in 0..h.len() { t2rows.extend_from_slice(h.row(i)); }
        let t2 = HotellingT2::fit(&t2rows, 96, 1e-2)?;
        let tt = scaler.transform(&test_l);
        let t2s: Vec<f32> = (0..tt.len()).map(|i| t2.score(tt.row(i))).collect();
        println!("epochs {epochs} fit {fit_time:?} loss {:.2}->{:.2} pos {}/{}", history.first("loss"), history.last("loss"), labels.iter().filter(|l| **l).count(), labels.len());
        println!("AUROC vae {:.3} rec {:.3} last_vib {:.3} mean_vib {:.3} age {:.3} T2 {:.3}", auroc(&scores, &labels)?, auroc(&rec, &labels)?, auroc(&last_vib, &labels)?, auroc(&mean_vib, &labels)?, auroc(&age, &labels)?, auroc(&t2s, &labels)?);
        // trial
        let hs = vae.score(&scaler.transform(&healthy).flat::<96>(&dev)?)?;
        for q in [0.97, 0.99, 0.995, 0.999] {
            let limit = threshold(&hs, q).unwrap();
            let (v2, s2) = (vae.clone(), scaler.clone());
            let t = Instant::now();
            let arms = vec![
                Arm::new("calendar", |_| Calendar { every_days: 90.0 }),
                Arm::new("calendar60", |_| Calendar { every_days: 60.0 }),
                Arm::new("calendar45", |_| Calendar { every_days: 45.0 }),
                Arm::new("none", |_| RunToFailure),
                Arm::new("alarm", move |_| {
                    let (v, s) = (v2.clone(), s2.clone());
                    Alarm::new(24, limit, 3, move |hours: &[HourlyReading]| {
                        let w = s.window::<24>(hours, Channel::ALL)?;
                        v.score(&lab::rows::<96>(w).ok()?).ok().map(|x| x[0])
                    }).every(4)
                }),
            ];
            let report = Trial::paired(101..=110, arms).run(&mut Silent)?;
            println!("q {q} trial {:?}", t.elapsed());
            for b in ["calendar", "calendar60", "calendar45", "none"] { println!("{}", report.compare(b, "alarm", Kpi::Cost)?); }
            for k in Kpi::ALL { println!("  {} cal {:?} alarm {:?}", k.name(), lab::metrics::mean(&report.values("calendar", k)?), lab::metrics::mean(&report.values("alarm", k)?)); }
        }
    }
    Ok(())
}
