// Names of tools as models and their servers write them: behind a namespace (`functions.look`,
// `default_api.look`), with an index (`look:0`), with a mark of the model's template behind them
// (`look<|channel|>commentary`), in quotes, with parentheses.

const NAMESPACE =
  /^(?:(?:functions?|tools?|default_api|default_tools|api|tool_code|assistant|namespace)[.:/])+/i
const INDEX = /[:#.]\d{1,4}$/
const MARK = /\s*(?:<\|[^]*|<\/?\w[^]*|\((?:[^()]*)\)?;?)$/
const QUOTES = /^[\s"'`]+|[\s"'`]+$/g

const MAX_CHARS = 200

/** The one of the names that is meant; null if that is not clear. */
export function nameMeant(called: string, names: readonly string[]): string | null {
  if (names.includes(called)) return called
  const candidates = called.length > MAX_CHARS ? [called] : spellingsOf(called)
  const same = candidates.find((one) => names.includes(one))
  if (same !== undefined) return same
  const plain = new Set(candidates.map(plainly))
  const alike = names.filter((name) => plain.has(plainly(name)))
  return alike.length === 1 ? (alike[0] ?? null) : null
}

/** Without what distinguishes get_weather, get-weather and getWeather. */
const plainly = (name: string): string => name.replaceAll(/[-_\s]/g, '').toLowerCase()

function spellingsOf(called: string): string[] {
  const bare = called.replaceAll(QUOTES, '').replace(MARK, '').replaceAll(QUOTES, '')
  const found = [called, bare, bare.replace(INDEX, '')]
  const inNamespace = found.map((name) => name.replace(NAMESPACE, ''))
  return [...new Set([...found, ...inNamespace])].filter((name) => name !== '')
}
