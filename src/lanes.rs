//! Small arrays in loops over pixels.

/// The array of what `make` gives for each place. It lies wholly within the loop that calls it, whereas `std::array::from_fn` and
/// `map` can stay functions of their own where the crate is built in several units: passes over pictures become a hundred
/// times slower then.
#[inline(always)]
pub fn each<T: Copy + Default, const N: usize>(make: impl Fn(usize) -> T) -> [T; N] {
    let mut all = [T::default(); N];
    let mut place = 0;
    while place < N {
        all[place] = make(place);
        place += 1;
    }
    all
}
