// Numbers as tables write them: 1,200.50 and 1.200,50, $5, 5 €, (5), 12 %. Reading never changes a value.

const CURRENCY = String.raw`(?:(?:${Intl.supportedValuesOf('currency').join('|')})|[A-Z]{0,3}\p{Sc})`
const CORE = String.raw`\d[\d.,'\u2019\u00a0\u202f ]*`
const NUMERAL = new RegExp(
  String.raw`^(?<open>\()?(?<sign>[-+\u2212]?)\s?(?:${CURRENCY}\s?)?(?<inner>[-+\u2212]?)(?<core>${CORE})(?<exponent>[eE][-+]?\d{1,3})?\s?(?:${CURRENCY}|%)?(?<close>\))?$`,
  'u',
)
const GROUPED_NOT_BY_POINT = /^\d{1,3}(?:(?:,\d{3})+|(?:,\d{2})+,\d{3}|(?:['\u2019\u00a0\u202f ]\d{3})+)$/
const GROUPED_NOT_BY_COMMA = /^\d{1,3}(?:(?:\.\d{3})+|(?:['\u2019\u00a0\u202f ]\d{3})+)$/
const MAX_CHARS = 60

export type DecimalMark = '.' | ','

interface Numeral {
  readonly isNegative: boolean
  /** Digits with their grouping and decimal marks. */
  readonly core: string
  readonly exponent: string
  /** Written as programs do: only sign, digits, one point, exponent. */
  readonly isPlain: boolean
}

/** Null if the text is not a number in any of these forms. */
export function numeralOf(text: string): Numeral | null {
  const numeral = partsOf(text)
  const isNumber = numeral && (ungroup(numeral.core, '.') ?? ungroup(numeral.core, ',')) !== null
  return isNumber ? numeral : null
}

function partsOf(text: string): Numeral | null {
  if (text.length > MAX_CHARS || !/\d/.test(text)) return null
  const trimmed = text.trim()
  const groups = NUMERAL.exec(trimmed)?.groups
  if (!groups) return null
  const { open, close, sign = '', inner = '', core = '', exponent = '' } = groups
  if ((open === undefined) !== (close === undefined) || (sign !== '' && inner !== '')) return null
  const isNegative = open !== undefined || /[-\u2212]/.test(sign + inner)
  const isPlain = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(trimmed)
  return { isNegative, core: core.trim(), exponent, isPlain }
}

/** The decimal mark that the text implies; null if it implies none, or both readings are possible (1,200). */
export function decimalMarkOf(core: string): DecimalMark | null {
  const commas = core.split(',').length - 1
  const points = core.split('.').length - 1
  if (commas > 0 && points > 0) return core.lastIndexOf(',') > core.lastIndexOf('.') ? ',' : '.'
  if (commas > 1) return '.'
  if (points > 1) return ','
  if (commas === 1) return /^\d{1,3},\d{3}$/.test(core) ? null : ','
  return points === 1 && !/^\d{1,3}\.\d{3}$/.test(core) ? '.' : null
}

/** The number; null if the text is not one with this decimal mark. */
export function numberIn(text: string, mark: DecimalMark): number | null {
  const numeral = partsOf(text)
  if (!numeral) return null
  const digits = ungroup(numeral.core, mark)
  if (digits === null) return null
  const value = Number(`${digits}${numeral.exponent}`)
  return numeral.isNegative ? -value : value
}

/**
 * Groups must have three digits (after commas also two, as in India), so that a date or a version is no
 * number.
 */
function ungroup(core: string, mark: DecimalMark): string | null {
  const at = core.indexOf(mark)
  const [whole, fraction] = at < 0 ? [core, ''] : [core.slice(0, at), core.slice(at + 1)]
  const isGrouped = mark === '.' ? GROUPED_NOT_BY_POINT : GROUPED_NOT_BY_COMMA
  if (!/^\d*$/.test(fraction) || !(/^\d+$/.test(whole) || isGrouped.test(whole))) return null
  return `${whole.replaceAll(/\D/g, '')}${fraction === '' ? '' : `.${fraction}`}`
}

/** True if the number converts back to the same text: no digit, zero or sign is lost. */
export const isCanonical = (text: string): boolean =>
  /^-?(?:0|[1-9]\d{0,15})(?:\.\d+)?$/.test(text) &&
  String(Number(text)) === text &&
  Number.isSafeInteger(Math.trunc(Number(text)))

/** True if the number converts back except for trailing zeros. */
export const isPadded = (text: string): boolean => /^-?(?:0|[1-9]\d{0,12})\.\d{0,12}0$/.test(text)
