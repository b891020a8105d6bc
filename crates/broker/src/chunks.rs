//! A long list whose memory goes as it is used up.

/// Values in a chunk.
const CHUNK: usize = 4096;

/// Appended to, then used up once. Unlike a vector it never holds twice what is in it, and
/// gives back what was gone through.
#[derive(Debug)]
pub(crate) struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.0.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(value),
            None => {
                let mut chunk = Vec::with_capacity(if self.0.is_empty() { 0 } else { CHUNK });
                chunk.push(value);
                self.0.push(chunk);
            }
        }
    }
}

impl<T> IntoIterator for Chunks<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_comes_out_in_order() {
        let mut chunks = Chunks::default();
        (0..3 * CHUNK + 5).for_each(|n| chunks.push(n));
        assert!(chunks.iter().copied().eq(0..3 * CHUNK + 5));
        assert!(chunks.into_iter().eq(0..3 * CHUNK + 5));
    }
}
