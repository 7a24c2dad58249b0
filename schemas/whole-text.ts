// Text from outside must be whole: JSON can say half of a surrogate pair (\ud83d), which UTF-8 can't. Passed on it would
// become another character, so that the model is asked something else than was sent.

/** The mistake of a text that has half of a surrogate pair; none of any other. */
export const halfPairs = (field: string, text: string): string[] =>
  text.isWellFormed()
    ? []
    : [
        `${field} has half of a surrogate pair, such as \\ud83d, which no text in UTF-8 can hold: send the whole character, or leave it out`,
      ]
