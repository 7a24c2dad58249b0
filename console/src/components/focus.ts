// Where the keyboard is.

/** Nothing has the focus that the viewer chose: what had it has left the page, or the page has just come. */
export function isFocusFree(): boolean {
  const { activeElement } = document
  return activeElement === null || activeElement === document.body || activeElement.id === 'main'
}
