//! Abilities as the numbers of the ABI: a sum of `SCORECAM_ABILITY_*`, in descriptors and in what a method needs.

use scorecam_core::Abilities;

use crate::abi;

/// The sum that stands for `abilities`.
pub fn number(abilities: Abilities) -> u32 {
    let bit = |has: bool, bit: u32| if has { bit } else { 0 };
    bit(abilities.masked, abi::SCORECAM_ABILITY_MASKED)
        | bit(abilities.run_from, abi::SCORECAM_ABILITY_RUN_FROM)
        | bit(abilities.gradients, abi::SCORECAM_ABILITY_GRADIENTS)
        | bit(abilities.slopes, abi::SCORECAM_ABILITY_SLOPES)
}

/// The abilities of a sum, and what of it is not known here.
pub(crate) fn abilities(sum: u32) -> (Abilities, u32) {
    let has = |bit: u32| sum & bit != 0;
    let known = Abilities {
        masked: has(abi::SCORECAM_ABILITY_MASKED),
        run_from: has(abi::SCORECAM_ABILITY_RUN_FROM),
        gradients: has(abi::SCORECAM_ABILITY_GRADIENTS),
        slopes: has(abi::SCORECAM_ABILITY_SLOPES),
    };
    (known, sum & !number(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_abilities_and_tells_what_is_unknown() {
        for sum in 0..16 {
            let (known, unknown) = abilities(sum);
            assert_eq!((number(known), unknown), (sum, 0));
            assert_eq!(abilities(sum | 64), (known, 64));
        }
    }
}
