// The address of the page as a signal. Links are plain anchors: a click on one that leads to the console changes the
// address without loading the page again.
import { signal } from '@preact/signals'

export interface Place {
  readonly path: string
  readonly query: URLSearchParams
  /** By Back, Forward or a link with the class `back`: the viewer expects it as it was. */
  readonly isReturn: boolean
}

export const here = (isReturn = false): Place => ({
  path: location.pathname,
  query: new URLSearchParams(location.search),
  isReturn,
})

export const place = signal<Place>(here())

export function navigate(url: string, { replace = false, isReturn = false } = {}): void {
  if (url === location.pathname + location.search) return
  history[replace ? 'replaceState' : 'pushState'](null, '', url)
  place.value = here(isReturn)
}

/** The same path with these parameters set; null removes one. */
export function withQuery(changes: Readonly<Record<string, string | null>>): string {
  const query = new URLSearchParams(place.value.query)
  for (const [name, value] of Object.entries(changes))
    if (value === null || value === '') query.delete(name)
    else query.set(name, value)
  const search = query.toString()
  return search === '' ? place.value.path : `${place.value.path}?${search}`
}

/** Paths that are not the console's load as they are. */
const foreign = /^\/(v1|docs|openapi\.json|health|ready|metrics|assets)(\/|$)/

export function followLinks(): void {
  addEventListener('popstate', () => (place.value = here(true)))
  document.addEventListener('click', (event) => {
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    const anchor = event.target instanceof Element ? event.target.closest('a') : null
    if (!isPlain || event.defaultPrevented || anchor === null || anchor.target !== '') return
    if (anchor.origin !== location.origin || foreign.test(anchor.pathname)) return
    if (anchor.hasAttribute('download') || anchor.getAttribute('href')?.startsWith('#')) return
    event.preventDefault()
    navigate(anchor.pathname + anchor.search, { isReturn: anchor.classList.contains('back') })
  })
}
