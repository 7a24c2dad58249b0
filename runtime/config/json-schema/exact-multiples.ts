// Checks whether a number is a multiple of another by their decimal digits: 19.99 is a multiple of 0.01,
// though dividing the two doubles leaves a remainder.

const NUMERAL = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/

/** `value` and `factor` are finite, and `factor` is more than 0. */
export function isMultipleOf(value: number, factor: number): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(factor)) return value % factor === 0
  const [a, b] = [decimal(value), decimal(factor)]
  const exponent = Math.min(a.exponent, b.exponent)
  const scaled = ({ digits, exponent: own }: Decimal) => digits * 10n ** BigInt(own - exponent)
  return scaled(a) % scaled(b) === 0n
}

/** digits × 10^exponent */
interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

function decimal(value: number): Decimal {
  const [, whole = '0', fraction = '', exponent = '0'] = NUMERAL.exec(String(value)) ?? []
  return { digits: BigInt(`${whole}${fraction}`), exponent: Number(exponent) - fraction.length }
}
