// Completion scripts for shells, made of the command table. They hold every word, so that completing starts no
// Node: a script that a shell sourced is as old as the version it was made with.
import type { Command } from 'commander'
import { visibleOptions } from './default-subcommand.ts'
import { quoted } from '../output/quoted.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** What can follow a path such as `alerts silence`: subcommands and options, and the values of options. */
interface Place {
  /** Words before it, the command's own name not included. */
  readonly path: string
  readonly words: readonly Word[]
  /** Option → its choices; none: a file or any text. */
  readonly values: ReadonlyMap<string, readonly string[]>
}

interface Word {
  readonly text: string
  readonly about: string
}

export function completionScript(shell: Shell, program: Command): string {
  const places = [...placesOf(program, '')]
  return { bash, zsh, fish }[shell](places)
}

function* placesOf(command: Command, path: string): Generator<Place> {
  const options = visibleOptions(command)
  const values = new Map(
    options
      .filter(({ required, optional }) => required || optional)
      .flatMap(({ long, short, argChoices }) =>
        [long, short].map((flag) => [flag, argChoices ?? []] as const),
      )
      .filter((entry): entry is [string, string[]] => entry[0] != null),
  )
  const words = [
    ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
      argChoices.map((text) => ({ text, about: description })),
    ),
    ...command.commands.map((each) => ({ text: each.name(), about: each.summary() || each.description() })),
    ...options.map(({ long, short, description }) => ({ text: long ?? short ?? '', about: description })),
  ]
  yield { path, words, values }
  for (const each of command.commands)
    yield* placesOf(each, path === '' ? each.name() : `${path} ${each.name()}`)
}

const texts = (words: readonly Word[]): string => words.map(({ text }) => text).join(' ')

const CASES_INDENT = '    '

function bash(places: readonly Place[]): string {
  return `# bash completion for flotilla: source <(flotilla completion bash)
_flotilla() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" at="" word next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${at:+$at }$word"
    case "$next" in
      ${places
        .filter(({ path }) => path !== '')
        .map(({ path }) => quoted(path))
        .join('|')}) at="$next" ;;
    esac
  done
  local words="" values=""
  case "$at" in
${places.map(({ path, words }) => `${CASES_INDENT}${quoted(path)}) words=${quoted(texts(words))} ;;`).join('\n')}
  esac
  case "$at:$previous" in
${valueCases(places)}
  esac
  COMPREPLY=()
  if [[ "$values" == "-" ]]; then COMPREPLY=($(compgen -f -- "$current"))
  else COMPREPLY=($(compgen -W "\${values:-$words}" -- "$current"))
  fi
}
complete -o filenames -F _flotilla flotilla
`
}

/** Sets `values` to the choices of the option before the cursor, or to a dash: a file or any text. */
function valueCases(places: readonly Place[]): string {
  return places
    .flatMap(({ path, values }) =>
      [...values].map(
        ([flag, choices]) =>
          `${CASES_INDENT}${quoted(`${path}:${flag}`)}) values=${quoted(choices.join(' ') || '-')} ;;`,
      ),
    )
    .join('\n')
}

function zsh(places: readonly Place[]): string {
  const described = (words: readonly Word[]): string =>
    words.map(({ text, about }) => quoted(`${text.replaceAll(':', '\\:')}:${firstLine(about)}`)).join(' ')
  return `#compdef flotilla
# zsh completion for flotilla: source <(flotilla completion zsh)
_flotilla() {
  local at="" word next values="" previous="\${words[CURRENT-1]}"
  local -a candidates
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${at:+$at }$word"
    case "$next" in
      (${places
        .filter(({ path }) => path !== '')
        .map(({ path }) => quoted(path))
        .join('|')}) at="$next" ;;
    esac
  done
  case "$at:$previous" in
${valueCases(places)}
  esac
  if [[ "$values" == "-" ]]; then _files; return; fi
  if [[ -n "$values" ]]; then compadd -- \${=values}; return; fi
  case "$at" in
${places.map(({ path, words }) => `${CASES_INDENT}${quoted(path)}) candidates=(${described(words)}) ;;`).join('\n')}
  esac
  _describe 'flotilla' candidates
}
if [[ "\${funcstack[1]}" == "_flotilla" ]]; then _flotilla "$@"; else compdef _flotilla flotilla; fi
`
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words, values }) =>
    words.map(({ text, about }) => {
      const choices = values.get(text)
      const flag = text.startsWith('--') ? `-l ${text.slice(2)}` : `-a ${text}`
      const takes =
        choices === undefined ? '' : choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : ' -r'
      return `complete -c flotilla -n ${quoted(`__flotilla_at ${path}`.trim())} ${flag}${takes} -d ${quoted(firstLine(about))}`
    }),
  )
  return `# fish completion for flotilla: flotilla completion fish | source
function __flotilla_at
  set -l words (commandline -opc | string match -v -- '-*')[2..-1]
  set -l wanted (count $argv)
  test (count $words) -ge $wanted; or return 1
  test $wanted -eq 0; and test (count $words) -gt 0; and return 1
  test $wanted -eq 0; or test "$words[1..$wanted]" = "$argv"
end
complete -c flotilla -f
${lines.join('\n')}
`
}

const firstLine = (text: string): string => text.split('\n')[0] ?? ''

/** A word of the shell, taken literally. */
