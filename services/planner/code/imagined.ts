// Recognises what a model imagines behind its code: its output, or the next turn of a conversation.

const WORDS =
  '(?:(?:the |this |my )?(?:expected |execution |program |code |tool |python |console )?(?:observations?|outputs?|results?|responses?|execution logs?|printed|prints|last value|stdout))'
/** Which of them: `Observation 1:`, `Result of the search:`. */
const WHICH = '(?: #?\\d+| (?:of|from|for) [^:\\n]{1,60})?'
/** A line that opens an invented output of the code. */
const IMAGINED = new RegExp(
  `^[\\s>*_#\`-]*${WORDS}${WHICH}[*_\`]*\\s*:|^\\s*#+\\s*${WORDS}\\s*$|^\\s*<(?:observation|output|result|tool_response|tool_output|execution_result)s?>|^\\s*Out ?\\[\\d+\\]:`,
  'i',
)
/** A line of another speaker. */
const SPEAKER = /^[\s*_#]*(?:user|human|environment|system|tool|assistant)[*_]*\s*:/i
/** Words of the templates that models are trained with. */
const MARK = String.raw`<\|(?:im_start|im_end|eot_id|end_of_turn|start_header_id|end_header_id|user|assistant|system|end|endoftext|observation)\|>|<(?:start|end)_of_turn>|\[\/?INST\]|<\/s>`
export const TURN_MARKS = new RegExp(MARK, 'g')
const TURN_MARK = new RegExp(`^\\s*(?:${MARK})`)

/** Languages of a block that shows what code printed. */
const OUTPUTS = new Set([
  'output',
  'out',
  'outputs',
  'console',
  'stdout',
  'result',
  'results',
  'text',
  'txt',
  'plaintext',
  'log',
])

export const isImagined = (line: string): boolean => IMAGINED.test(line) || SPEAKER.test(line)

/** Whether the line begins with the end of a turn; text behind it is another one's. */
export const isTurnMark = (line: string): boolean => TURN_MARK.test(line)

/** Whether such a block behind code is its imagined output. */
export const isImaginedOutput = (language: string): boolean => OUTPUTS.has(language)

/** No Python line begins like this: `result: int` continues behind its colon. */
export const isImaginedInCode = (line: string): boolean =>
  OWN_LINE.test(line) || /^(?:Observations?:|<(?:observations?|tool_response)>)/.test(line)

const OWN_LINE = new RegExp(`^${WORDS}:[ \\t]*$`, 'i')
