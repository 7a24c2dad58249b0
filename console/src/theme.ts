// Light or dark: as the system has it, or as the viewer chose. The choice is kept; it is no secret.
import { computed, effect, signal } from '@preact/signals'
import { isPrinting } from './print.ts'

export type Theme = 'system' | 'light' | 'dark'

const STORED = 'flotilla.theme'
const isTheme = (text: string | null): text is Theme =>
  text === 'light' || text === 'dark' || text === 'system'

const stored = localStorage.getItem(STORED)
export const theme = signal<Theme>(isTheme(stored) ? stored : 'system')
const dark = matchMedia('(prefers-color-scheme: dark)')
const isSystemDark = signal(dark.matches)

/** The one in use. */
export const themeName = computed<'light' | 'dark'>(() =>
  theme.value === 'system' ? (isSystemDark.value ? 'dark' : 'light') : theme.value,
)

export function applyTheme(): void {
  dark.addEventListener('change', ({ matches }) => (isSystemDark.value = matches))
  effect(() => {
    // Paper is light.
    document.documentElement.dataset['theme'] = isPrinting.value ? 'light' : themeName.value
  })
}

export function nextTheme(): void {
  theme.value = themeName.value === 'dark' ? 'light' : 'dark'
  localStorage.setItem(STORED, theme.value)
}
