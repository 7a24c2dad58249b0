// The names in a page that stand for something outside of it.
import { posix } from 'node:path'
import type { TextFile } from '../house/tree.ts'

/** Code within a sentence. */
export interface Span {
  /** `page:line`. */
  readonly place: string
  readonly text: string
}

export function spansOf({ path, text }: TextFile): Span[] {
  const prose = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, (block) => block.replaceAll(/[^\n]/g, ''))
  return [...prose.matchAll(/`([^`]+)`/g)].map(({ 1: code = '', index }) => ({
    place: `${path}:${prose.slice(0, index).split('\n').length}`,
    text: code.replaceAll(/\s+/g, ' '),
  }))
}

/** Links with an anchor, to this page or another; `target` is a path from the root. */
export function links({ path, text }: TextFile): { target: string; anchor: string }[] {
  const found = text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)/g)
  return [...found].map(([, link = '', anchor = '']) => ({
    target: link === '' ? path : posix.join(posix.dirname(path), link),
    anchor,
  }))
}

/** A setting, variable or error code: names that no prose has by chance. */
const names = /(?<![\w$])\$?[a-z]+[A-Z]\w*|\b[A-Z][A-Z0-9]+_[A-Z0-9_]*[A-Z0-9]\b/g

/** Names in this code that are not known. */
export const unknownNames = (code: string, known: ReadonlySet<string>): string[] =>
  (code.match(names) ?? []).filter((name) => !known.has(name))

/** Metrics as Prometheus sees them. */
export const metricsIn = (code: string): string[] => code.match(/\bflotilla_[a-z_]*[a-z]\b/g) ?? []

/** Labels of the selectors in PromQL: `flotilla_lag{stage="metering"}`. */
export const selectorsIn = (code: string): { name: string; label: string }[] =>
  [...code.matchAll(/\b(flotilla_[a-z_]+)\{([^}]*)\}/g)].flatMap(([, name = '', inner = '']) =>
    (inner.match(/[a-z_]+(?==)/g) ?? []).map((label) => ({ name, label })),
  )
