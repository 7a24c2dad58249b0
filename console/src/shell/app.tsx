// The frame around every page: navigation, connection, theme, keyboard, sign-in.
import { signal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import { begin, isOpen, may, me, session, signOut } from '../api/session.ts'
import { Dialog } from '../components/dialog.tsx'
import { isFocusFree } from '../components/focus.ts'
import { Empty, Failed, Loading } from '../components/states.tsx'
import { unsent } from '../drafts.ts'
import { onKeys } from '../keys.ts'
import { homeOf, pages, type Page } from '../pages.ts'
import { matched } from '../router-paths.ts'
import { navigate, place } from '../router.ts'
import { line } from '../text.ts'
import { nextTheme, themeName } from '../theme.ts'
import { toasts } from '../toast.ts'
import { Connection, LostBanner } from './connection.tsx'
import { Guarded } from './fault.tsx'
import { Icon } from './icons.tsx'
import { KeyHelp } from './key-help.tsx'
import { Omitted } from './omitted.tsx'
import { OtherRelease } from './release.tsx'
import { SignIn } from './sign-in.tsx'

const isHelpShown = signal(false)

export function App() {
  const { state, error } = session.value
  if (state === 'asking') return <Loading what="the console" />
  if (state === 'away' && error !== null) return <Failed error={error} onAgain={() => void begin()} />
  if (state === 'locked' || state === 'ended') return <SignIn />
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <div class="frame">
        <Navigation />
        <main id="main" class="main" tabIndex={-1}>
          <LostBanner />
          <OtherRelease />
          <Omitted path={place.value.path} />
          <CurrentPage />
        </main>
      </div>
      <div class="toasts" role="status" aria-live="polite">
        {toasts.value.map(({ id, text, isError }) => (
          <div key={id} class={`toast${isError ? ' bad' : ''}`}>
            {line(text, 400)}
          </div>
        ))}
      </div>
      {isHelpShown.value && <KeyHelp onClose={() => (isHelpShown.value = false)} />}
    </>
  )
}

const shownPages = (): Page[] => pages.filter(({ scope }) => may(scope))

function CurrentPage() {
  const { path } = place.value
  const found = pages
    .flatMap((page) => page.paths.map((pattern) => ({ page, params: matched(pattern, path) })))
    .find(({ params }) => params !== null)
  const title = found ? found.page.title(found.params ?? {}) : 'Not found'
  useEffect(() => {
    document.title = `${line(title, 80)} · Flotilla`
  }, [title])
  const shown = useRef(path)
  useEffect(() => {
    // What had the focus went with the page before: the keyboard and a screen reader go on at the new one.
    if (shown.current !== path && isFocusFree()) document.getElementById('main')?.focus()
    shown.current = path
  }, [path])
  if (found === undefined || found.params === null)
    return (
      <Empty title="There is no such page">
        <a href="/tasks">All tasks</a>
      </Empty>
    )
  if (!may(found.page.scope))
    return <Empty title={`Your key does not have the scope ${found.page.scope}, which this page needs`} />
  const { component: Component } = found.page
  return (
    <Guarded key={[found.page.paths[0], ...Object.values(found.params)].join(' ')}>
      <Component params={found.params} />
    </Guarded>
  )
}

function Navigation() {
  useEffect(() => {
    const go = shownPages().flatMap((page) =>
      page.nav ? [[`g ${page.nav.key}`, () => navigate(homeOf(page))] as const] : [],
    )
    const help = () => (isHelpShown.value = true)
    return onKeys({ ...Object.fromEntries(go), '?': help, '/': focusSearch })
  }, [me.value])
  return (
    <nav class="nav" aria-label="Pages">
      <a class="brand" href="/tasks">
        <Logo />
        <span>Flotilla</span>
      </a>
      <ul>
        {shownPages().map((page) => page.nav && <NavLine key={page.nav.label} page={page} nav={page.nav} />)}
      </ul>
      <div class="nav-foot">
        <Connection />
        <Viewer />
        <div class="nav-tools">
          <button
            class="quiet"
            aria-label={themeName.value === 'dark' ? 'Light theme' : 'Dark theme'}
            title="Theme"
            onClick={nextTheme}
          >
            <Icon name={themeName.value === 'dark' ? 'sun' : 'moon'} />
          </button>
          <button
            class="quiet"
            aria-label="Keyboard"
            title="Keyboard (?)"
            onClick={() => (isHelpShown.value = true)}
          >
            <Icon name="keys" />
          </button>
          {!isOpen.value && <SignOut />}
        </div>
      </div>
    </nav>
  )
}

/** Asks first if something was typed and not sent. */
function SignOut() {
  const [isAsking, setAsking] = useState(false)
  const names = unsent()
  return (
    <>
      <button
        class="quiet"
        aria-label="Sign out"
        title="Sign out"
        onClick={() => (names.length > 0 ? setAsking(true) : signOut())}
      >
        <Icon name="out" />
      </button>
      {isAsking && (
        <Dialog
          title="Sign out?"
          onClose={() => setAsking(false)}
          actions={
            <>
              <button onClick={() => setAsking(false)}>Stay</button>
              <button class="danger" onClick={signOut}>
                Sign out and drop it
              </button>
            </>
          }
        >
          <p>You have typed something that was not sent:</p>
          <ul>
            {names.map((name) => (
              <li key={name}>{line(name, 120)}</li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  )
}

interface NavLineProps {
  readonly page: Page
  readonly nav: NonNullable<Page['nav']>
}

function NavLine({ page, nav: { label, short = label, icon, count } }: NavLineProps) {
  const { path } = place.value
  const home = homeOf(page)
  const isHere = page.paths.includes(path) || path.startsWith(`${home}/`)
  const toDo = count?.() ?? 0
  return (
    <li>
      <a href={home} aria-current={isHere ? 'page' : undefined}>
        <Icon name={icon} />
        <span class="nav-label" data-short={short}>
          <span>{label}</span>
        </span>
        {toDo > 0 && <span class="nav-count">{toDo > 99 ? '99+' : toDo}</span>}
      </a>
    </li>
  )
}

function Viewer() {
  if (me.value === null) return null
  const { access, name, userId } = me.value
  const who = access === 'open' ? 'Open to this machine' : line(userId ?? name, 40)
  return (
    <p
      class="viewer"
      title={
        access === 'open' ? 'There is no key yet: every program on this machine may do everything' : undefined
      }
    >
      {who}
    </p>
  )
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
      <rect class="logo-back" width="32" height="32" rx="7" />
      <path d="M8 20.5h16l-2.2 4H10.2zM15 7v11H8.6zM17 10.5V18h5.2z" fill="#fff" />
    </svg>
  )
}

function focusSearch(): void {
  const search = document.querySelector<HTMLInputElement>('input[type=search]')
  if (search === null) navigate('/tasks?focus=search')
  else search.focus()
}
