// A call's usage as its provider reports it, as far as it is plausible.
//
// 1. Figures may come in any chunk, and grow; the largest counts. Zero for something that was sent or has
//    arrived is ignored.
// 2. `total_tokens` beyond prompt and completion is output too: some providers leave the reasoning out of the
//    completion.
// 3. A figure that no tokenizer could reach is rejected. One that is too high counts as the most that the
//    call was reserved with, because one wrong answer must not spend everybody's budget; one that is too low,
//    as the part that arrived.
import type { ModelRequest, ModelSpend } from '../call.ts'
import { countOf, shapeOf, type Shape } from './shapes.ts'
import { mostTokens } from './token-count.ts'
import { estimatedInputTokens, estimatedTokens } from '../conversation/token-estimates.ts'

/** Allowance: a provider may add a prompt and tools of its own, and its tokenizer may be poor. */
const MOST_PROMPT = { factor: 2, more: 10_000 }
/** Allowance: hidden reasoning need not respect the limit of the answer. */
const MOST_ANSWER = { factor: 2, more: 100_000 }
/** Longest average token of any text, even of spaces. Bytes. */
const MOST_BYTES_PER_TOKEN = 100

const beyond = (count: number, most: number, { factor, more }: typeof MOST_PROMPT) =>
  count > most * factor + more

export class UsageReader {
  #input = 0
  #output = 0

  read(chunk: Shape, choice: Shape): void {
    // Groq puts the usage of a stream into its own extension, Moonshot into the choice.
    const found = chunk['usage'] ?? shapeOf(chunk['x_groq'])['usage'] ?? choice['usage']
    const usage = shapeOf(found)
    const input = countOf(usage['prompt_tokens']) ?? countOf(usage['input_tokens'])
    const output = countOf(usage['completion_tokens']) ?? countOf(usage['output_tokens'])
    const total = countOf(usage['total_tokens'])
    this.#input = Math.max(this.#input, input ?? 0)
    this.#output = Math.max(this.#output, output ?? 0, total && input ? total - input : 0)
  }

  /**
   * `bytes`: size of the part that arrived. `isWhole`: it is the whole answer; else that part counts at
   * least.
   */
  spend(request: ModelRequest, bytes: number, isWhole: boolean): ModelSpend & { usageIsEstimate: boolean } {
    const input = this.#believedInput(request)
    const output = this.#believedOutput(request, bytes, isWhole)
    return {
      inputTokens: input ?? (this.#input > 0 ? mostTokens(request) : estimatedInputTokens(request)),
      outputTokens: output ?? this.#insteadOfOutput(request, bytes),
      usageIsEstimate: input === null || output === null,
      ...(output === null && input !== null && { reported: 'input' }),
      ...(input === null && output !== null && { reported: 'output' }),
    }
  }

  #believedInput(request: ModelRequest): number | null {
    return this.#input === 0 || beyond(this.#input, mostTokens(request), MOST_PROMPT) ? null : this.#input
  }

  #believedOutput(request: ModelRequest, bytes: number, isWhole: boolean): number | null {
    const least = isWhole ? Math.ceil(bytes / MOST_BYTES_PER_TOKEN) : estimatedTokens(bytes)
    const isTooHigh = beyond(this.#output, request.maxOutputTokens, MOST_ANSWER)
    return this.#output < least || isTooHigh ? null : this.#output
  }

  #insteadOfOutput(request: ModelRequest, bytes: number): number {
    const arrived = estimatedTokens(bytes)
    const isTooHigh = beyond(this.#output, request.maxOutputTokens, MOST_ANSWER)
    return isTooHigh ? Math.max(arrived, request.maxOutputTokens) : arrived
  }
}
