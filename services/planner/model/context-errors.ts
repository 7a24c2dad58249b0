// Recognises the words by which providers say that the prompt is too long. Each has its own, and few have a
// code for it.
//
// 1. Something of the prompt (tokens, context, input, messages) is beyond something.
// 2. A message about the answer's limit, an id, a name or the number of tools is another error, which a
//    larger context would not help.

/** One of these is enough. */
const PLAIN =
  /context[ _-]?(length|window|size|limit)|(maximum|max) (prompt|input|sequence|model) (length|size|tokens)|prompt (is )?too long|too many (input |prompt )?tokens|range of input length|trying to keep the first \d+ tokens|reduce (the|your) (length|size|number of tokens)[^.]*(prompt|input|message|completion|conversation)/i

const SUBJECT =
  /\b(prompt|inputs?|messages?|conversation|history|request|query)\b[^.]{0,80}\b(tokens?|length|context|limit|size|long|large|big)\b|\btokens?\b[^.]{0,60}\b(prompt|inputs?|messages?|request|model|limit|context)\b/i

const BEYOND =
  /exceed|too (long|large|big|many)|(longer|larger|greater|more) than|less than|beyond|at most|over the|must be <|>\s*\d|shorten|truncat|overflow/i

const OF_TOKENS = /\b(tokens?|context|length|long|prompt)\b/i

const OF_THE_ANSWER =
  /^[^,.;]{0,40}\b(max_tokens|max_completion_tokens|max_output_tokens|completion tokens|output tokens)\b/i

const OF_SOMETHING_ELSE =
  /\b(id|ids|name|description|tools?|functions?|stop|user|title|metadata|images?|file|audio|temperature|per (minute|day|hour))\b/i

const OF_THE_PROMPT = /\b(prompt|inputs?|context)\b/i

export function saysTooLong(message: string): boolean {
  const isOfTheAnswer = OF_THE_ANSWER.test(message) && !OF_THE_PROMPT.test(message)
  if (isOfTheAnswer) return false
  if (PLAIN.test(message)) return true
  if (OF_SOMETHING_ELSE.test(message)) return false
  return SUBJECT.test(message) && BEYOND.test(message) && OF_TOKENS.test(message)
}
