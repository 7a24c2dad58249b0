// Whether the page is being printed: on paper nothing scrolls, so that lists give all of their rows.
import { signal } from '@preact/signals'

export const isPrinting = signal(false)

/** A list that is longer is printed to here. */
export const MOST_PRINTED = 2_000

export function watchPrinting(): void {
  const paper = matchMedia('print')
  const take = (isOn: boolean) => (): void => void (isPrinting.value = isOn)
  paper.addEventListener('change', () => take(paper.matches)())
  addEventListener('beforeprint', take(true))
  addEventListener('afterprint', take(false))
}
