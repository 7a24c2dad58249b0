// Numbers of a metric between two scrapes, by the values of its labels. A metrics library hashes the labels of each
// measurement as text; here one costs a look-up for each label and an addition.

export type LabelValues = Readonly<Record<string, string | undefined>>

type Level<S> = Map<string | undefined, Level<S> | S>

/** One series for each combination of label values. */
export class SeriesByLabels<S> {
  readonly #names: readonly string[]
  readonly #make: () => S
  #root: Level<S> = new Map()
  #all: { readonly labels: LabelValues; readonly series: S }[] = []

  /** A metric without labels has its one series from the beginning. */
  constructor(names: readonly string[], make: () => S) {
    this.#names = names
    this.#make = make
    if (names.length === 0) this.of({})
  }

  /** The series of these labels; each may be absent. */
  of(labels: LabelValues): S {
    const [names, last] = [this.#names, this.#names.length - 1]
    let level = this.#root
    for (let at = 0; at < last; at++) {
      const value = labels[names[at] as string]
      let next = level.get(value) as Level<S> | undefined
      if (next === undefined) level.set(value, (next = new Map()))
      level = next
    }
    const value = last < 0 ? undefined : labels[names[last] as string]
    const found = level.get(value) as S | undefined
    if (found !== undefined) return found
    const series = this.#make()
    level.set(value, series)
    // A label that the metric does not have would fail every scrape.
    const given = Object.entries(labels).filter(([name, text]) => names.includes(name) && text !== undefined)
    this.#all.push({ labels: Object.fromEntries(given), series })
    return series
  }

  /** In the order in which they were first used. */
  all(): Iterable<{ readonly labels: LabelValues; readonly series: S }> {
    return this.#all
  }

  clear(): void {
    this.#root = new Map()
    this.#all = []
  }
}

/** A number of one series. */
export class Value {
  number = 0
}

/** One series of a histogram. */
export class Distribution {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  sum = 0
  count = 0

  /** `bounds`: upper bounds of the buckets, ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  add(value: number): void {
    this.sum += value
    this.count++
    const bounds = this.#bounds
    for (let at = 0; at < bounds.length; at++)
      if (value <= (bounds[at] as number)) {
        this.#counts[at] = (this.#counts[at] as number) + 1
        return
      }
  }

  /** How many values were at most each bound. */
  cumulative(): { readonly bound: number; readonly count: number }[] {
    let count = 0
    return this.#bounds.map((bound, at) => ({ bound, count: (count += this.#counts[at] as number) }))
  }
}
