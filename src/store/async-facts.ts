/** Gives what a synchronous backend reads in the asynchronous form of the log's contract. */
export const asyncFacts = <F>(facts: Generator<F, void>): AsyncIterableIterator<F> => {
  const iterator: AsyncIterableIterator<F> = {
    // what the backend throws becomes a rejection
    next: () =>
      new Promise(resolve => {
        resolve(facts.next())
      }),
    return: () => Promise.resolve(facts.return()),
    [Symbol.asyncIterator]: () => iterator,
  }
  return iterator
}
