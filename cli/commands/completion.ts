import { Argument, type Command } from 'commander'
import { completionScript, shells, type Shell } from '../program/completion.ts'
import { print } from '../output/output.ts'

export function defineCompletion(command: Command): void {
  command
    .description('print a completion script for the shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText(
      'after',
      `
bash  source <(flotilla completion bash)          in ~/.bashrc
zsh   source <(flotilla completion zsh)           in ~/.zshrc, after compinit
fish  flotilla completion fish | source           in ~/.config/fish/config.fish`,
    )
    .action(completion)
}

async function completion(shell: Shell): Promise<void> {
  // The program imports the table, and the table this file, when it is used.
  const { createProgram } = await import('../program/program.ts')
  print(completionScript(shell, await createProgram('all')).trimEnd())
}
