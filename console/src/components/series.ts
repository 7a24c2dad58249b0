/** A line of a plot: a value for each of its times. */
export interface Series {
  readonly name: string
  readonly values: readonly (number | null)[]
  /** A custom property of the style: `--accent`. */
  readonly colour: string
}
