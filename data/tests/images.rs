//! Solder joints: labelled, reproducible, and visibly different.

use data::images::{Joint, SolderImages, solder_joints};

fn mean(images: &SolderImages) -> Vec<f32> {
    let mut sum = vec![0.0; 784];
    for i in 0..images.len() {
        sum.iter_mut().zip(images.image(i)).for_each(|(s, v)| *s += v / images.len() as f32);
    }
    sum
}

#[test]
fn golden_fingerprint() {
    let images = solder_joints(7, 50);
    let hash = images
        .pixels()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, v| (h ^ u64::from(v.to_bits())).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(hash, 0xe87e_52e9_9370_72de, "{hash:#x}");
}

#[test]
fn a_picture_depends_on_seed_and_number_only() {
    let (few, many) = (solder_joints(7, 10), solder_joints(7, 300));
    assert_eq!(few.pixels(), &many.pixels()[..10 * 784]);
    assert_eq!(few.severity(), &many.severity()[..10]);
    assert_ne!(few.image(3), solder_joints(8, 10).image(3));
    assert!(many.image(300).is_empty() && many.label(300).is_none());
}

#[test]
fn classes_differ_where_they_should() {
    let images = solder_joints(1, 1_000);
    assert!(images.pixels().iter().all(|v| (0.0..=1.0).contains(v)));
    let of = |joint| mean(&images.only(joint));
    let good = of(Joint::Good);
    let bright = |image: &[f32], x: std::ops::Range<usize>| {
        x.clone().map(|c| (0..28).map(|r| image[r * 28 + c]).sum::<f32>()).sum::<f32>() / (28 * x.len()) as f32
    };
    // The gap between the pads is dark, unless solder bridges it.
    assert!(bright(&of(Joint::Bridge), 18..20) > bright(&good, 18..20) + 0.05);
    // A void is darker in the joint, missing solder is duller.
    assert!(bright(&of(Joint::Void), 6..14) < bright(&good, 6..14) - 0.03);
    assert!(bright(&of(Joint::Insufficient), 6..14) < bright(&good, 6..14) - 0.03);
    for joint in Joint::ALL {
        let only = images.only(joint);
        assert_eq!(only.len(), 200);
        assert!(only.severity().iter().all(|&s| if joint == Joint::Good { s == 0.0 } else { s > 0.0 && s <= 1.0 }));
    }
}

#[test]
fn severity_shows() {
    // The worse the void, the darker the fillet: rank correlation over pictures of one class.
    let images = solder_joints(2, 2_000).only(Joint::Void);
    let dark: Vec<usize> = (0..images.len()).map(|i| images.image(i).iter().filter(|&&v| v < 0.3).count()).collect();
    let half = |worse: bool| {
        let picked: Vec<usize> =
            (0..images.len()).filter(|&i| (images.severity()[i] > 0.6) == worse).map(|i| dark[i]).collect();
        picked.iter().sum::<usize>() as f64 / picked.len() as f64
    };
    assert!(half(true) > half(false) + 8.0, "{} {}", half(true), half(false));
}
