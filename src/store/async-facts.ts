/**
 * Gives what a synchronous backend reads in the asynchronous form of the log's contract. It can be iterated without waiting, too, which
 * spares whoever folds a whole log a promise a fact.
 */
export const asyncFacts = <F>(facts: Generator<F, void>): AsyncIterableIterator<F> & Iterable<F> => {
  const iterator: AsyncIterableIterator<F> & Iterable<F> = {
    // what the backend throws becomes a rejection
    next: () =>
      new Promise(resolve => {
        resolve(facts.next())
      }),
    return: () => Promise.resolve(facts.return()),
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.iterator]: () => facts,
  }
  return iterator
}
