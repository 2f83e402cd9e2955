import { ActionIcon, AppShell, Burger, Button, Group, Text, Tooltip } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { Suspense, useEffect } from 'react'
import { NavLink, Outlet, useLocation, useNavigate } from 'react-router'
import { Refused } from '@/api/client.ts'
import { useMay, useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { Behind } from './Behind.tsx'
import { AccountMenu, useToggleScheme } from './AccountMenu.tsx'
import { usePlayground } from './features.ts'
import { useShortcuts } from './keys.ts'
import { LiveProvider, useLive } from './live.tsx'
import { useOverlay } from './overlay.tsx'
import { entries, groups } from './pages.ts'
import classes from './Shell.module.css'
import { words } from './words.ts'

/** Shell is what stands around every page: who is signed in, where one can go, and whether what is shown is live. */
export function Shell() {
  const me = useMe()
  const location = useLocation()
  const navigate = useNavigate()
  const signedOut = me.error instanceof Refused && me.error.status === 401
  useEffect(() => {
    if (signedOut)
      navigate(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`, { replace: true })
  }, [signedOut, navigate, location])
  // What is shown stays until the address has changed, so that a page can ask first: a draft may be unsaved.
  if ((signedOut && !me.data) || me.isPending) return <Loading />
  if (!me.data) {
    return (
      <div className={classes['alone']}>
        <ErrorBox error={me.error} retry={() => void me.refetch()} />
      </div>
    )
  }
  return (
    <LiveProvider enabled>
      <Frame />
    </LiveProvider>
  )
}

function Frame() {
  const t = useWords(words)
  const [open, nav] = useDisclosure(false)
  const overlay = useOverlay()
  const navigate = useNavigate()
  const location = useLocation()
  const toggleScheme = useToggleScheme()
  useEffect(() => nav.close(), [location.pathname, nav.close])
  useShortcuts({
    '/': () => focusSearch() || overlay.openPalette(),
    '?': overlay.openHelp,
    'mod+k': overlay.togglePalette,
    T: toggleScheme,
    ...Object.fromEntries(entries.map((page) => [`g ${page.letter}`, () => void navigate(page.path)])),
  })
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: 'md', collapsed: { mobile: !open } }}
      padding={0}
      transitionDuration={0}
    >
      <a href="#content" className={classes['skip']}>
        {t('skip')}
      </a>
      <AppShell.Header className={classes['header']}>
        <Burger opened={open} onClick={nav.toggle} hiddenFrom="md" size="sm" aria-label={t('openNavigation')} />
        <NavLink to="/" className={classes['brand']!} aria-label={t('product')}>
          <img src="/icon.svg" alt="" width={24} height={24} />
          <span>{t('product')}</span>
        </NavLink>
        <Search onOpen={overlay.openPalette} />
        <Group gap={8} wrap="nowrap" ml="auto">
          <Marks />
          <Tooltip label={t('shortcuts')}>
            <ActionIcon variant="subtle" color="gray" aria-label={t('shortcuts')} onClick={overlay.openHelp}>
              <Icon path="M2 4h12v8H2zM4 7h.1M7 7h.1M10 7h.1M5 10h6" />
            </ActionIcon>
          </Tooltip>
          <AccountMenu />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes['nav']!} data-open={open || undefined}>
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} className={classes['main']!}>
        <Behind />
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </AppShell.Main>
      {overlay.element}
    </AppShell>
  )
}

/** focusSearch puts the cursor into the page's own search, if it has one. */
function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>('main [data-search]')
  field?.focus()
  field?.select()
  return !!field
}

function Search({ onOpen }: { onOpen: () => void }) {
  const t = useWords(words)
  return (
    <Button variant="default" className={classes['search']!} onClick={onOpen} justify="space-between" fw={400}>
      <Icon path="M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5L14 14" size={14} />
      <span className={classes['searchText']}>{t('search')}</span>
      <kbd className={classes['kbd']}>Ctrl K</kbd>
    </Button>
  )
}

function Navigation() {
  const t = useWords(words)
  const playground = usePlayground()
  return (
    <nav aria-label={t('navigation')}>
      {groups.map((group, i) => (
        <div key={i} className={classes['group']}>
          {group.word && (
            <Text component="h2" className={classes['groupName']!}>
              {t(group.word)}
            </Text>
          )}
          {group.pages
            .filter((page) => !page.only || playground)
            .map((page) => (
              <NavLink key={page.path} to={page.path} end={page.path === '/'} className={classes['link']!}>
                <Icon path={page.icon} />
                <span className={classes['linkText']}>{t(page.word)}</span>
                <Badge path={page.path} />
              </NavLink>
            ))}
        </div>
      ))}
    </nav>
  )
}

/** Badge is the number of things behind a link that want a person. */
function Badge({ path }: { path: string }) {
  const t = useWords(words)
  const { numbers } = useLive()
  const n = path === '/inbox' ? (numbers?.stuck ?? 0) : 0
  if (n === 0) return null
  const text = t('badgeStuck', { n: count(n) })
  return (
    <span className={classes['badge']} role="img" title={text} aria-label={text}>
      {n > 999 ? '999+' : n}
    </span>
  )
}

function Marks() {
  const t = useWords(words)
  const { state, numbers } = useLive()
  const me = useMe()
  const operator = useMay('operator')
  return (
    <Group gap={6} wrap="nowrap" className={classes['marks']!} role="status">
      {me.data?.kind === 'developer' && <Mark tone="idle" text={t('dev')} help={t('devHelp')} />}
      {me.data && !operator && <Mark tone="idle" text={t('readOnly')} help={t('readOnlyHelp')} />}
      {numbers && numbers.ready === false && <Mark tone="bad" text={t('notReady')} />}
      {numbers?.degraded && <Mark tone="warn" text={t('degraded')} />}
      <Mark
        tone={state === 'live' ? 'good' : state === 'stale' ? 'warn' : 'idle'}
        text={t(state)}
        help={state === 'live' ? t('liveHelp') : state === 'stale' ? t('staleHelp') : undefined}
      />
    </Group>
  )
}
