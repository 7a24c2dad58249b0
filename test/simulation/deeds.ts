// Actions of people in a simulated run, at their times. Shrinking a run leaves some out.
import type { World } from '../../runtime/testing/simulator/world.ts'

/** A name; its first word is the action that it depends on: nobody cancels a task that nobody submitted. */
export type Deed = string

export class Deeds {
  readonly names: Deed[] = []
  /** Planned and not done yet. */
  planned = 0
  readonly #world: World
  readonly #only: ReadonlySet<Deed> | null

  constructor(world: World, only: ReadonlySet<Deed> | null) {
    this.#world = world
    this.#only = only
  }

  later(deed: Deed, delayMs: number, act: () => unknown): void {
    const needs = deed.split(' ')[0] as string
    if (this.#only !== null && !(this.#only.has(deed) && this.#only.has(needs))) return
    this.names.push(deed)
    this.planned++
    this.#world.clock.schedule(delayMs, () => {
      this.planned--
      this.#world.note(`users: ${deed}`)
      act()
    })
  }
}
