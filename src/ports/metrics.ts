/** Metrics as data, and whoever writes them in a monitoring system's form: so that what counts knows nothing of who reads. */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** How often something took how long. */
export interface Distribution {
  /** Upper ends of the buckets, rising. */
  readonly bounds: readonly number[]
  /** One for each bucket, and one for what is above all of them. */
  readonly counts: readonly number[]
  readonly sum: number
}

interface Described {
  /** Snake case; units are base units; counters end in `_total`. */
  readonly name: string
  readonly help: string
}

export type MetricFamily = Described &
  (
    | { readonly kind: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
    | { readonly kind: 'histogram'; readonly distribution: Distribution }
  )

/** Writes families as one text of the given content type. */
export type Exposition = (families: readonly MetricFamily[]) => Promise<{ readonly type: string; readonly text: string }>
