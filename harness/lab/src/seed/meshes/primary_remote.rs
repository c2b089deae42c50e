pub(super) use super::guide::SEED;
