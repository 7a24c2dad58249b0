/** Whether the header of a request can carry it; blanks and line ends around it are not sent. */
export const isSendable = (text: string): boolean => /^[\t\x20-\x7e\x80-\xff]+$/.test(text.trim())
