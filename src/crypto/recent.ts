/** A bounded memory of what was used lately, in two generations, so that neither adding nor forgetting ever walks a list. */

export interface Recent<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): void
  readonly size: number
}

/** Remembers at least the last `capacity / 2` different keys that were set or got, and never more than `capacity`. */
export const createRecent = <K, V>(capacity: number): Recent<K, V> => {
  const half = Math.max(1, Math.floor(capacity / 2))
  let young = new Map<K, V>()
  let old = new Map<K, V>()
  const set = (key: K, value: V): void => {
    if (young.size >= half && !young.has(key)) {
      old = young
      young = new Map()
    }
    old.delete(key)
    young.set(key, value)
  }
  return {
    get: key => {
      const value = young.get(key)
      if (value !== undefined) return value
      const aged = old.get(key)
      if (aged !== undefined) set(key, aged)
      return aged
    },
    set,
    get size() {
      return young.size + old.size
    },
  }
}
