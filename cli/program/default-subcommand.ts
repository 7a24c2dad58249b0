// A subcommand that is meant if none is named: its options are shown by the help of the command too.
import { type Command, Help, type Option } from 'commander'

const defaults = new WeakMap<Command, Command>()

export function defaultSubcommand(command: Command, name: string): Command {
  const subcommand = command.command(name, { isDefault: true })
  defaults.set(command, subcommand)
  return subcommand
}

export const defaultOf = (command: Command): Command | undefined => defaults.get(command)

/** Options that can be given to the command, those of its default subcommand included. */
export function visibleOptions(command: Command): Option[] {
  const meant = defaultOf(command)?.options.filter(({ hidden }) => !hidden) ?? []
  return [...meant, ...new Help().visibleOptions(command)]
}
