import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { api, ask, Refused } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useShortcuts } from '@/app/keys.ts'
import { useWords, type Say } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './audit.module.css'
import { stageOf, type Entry } from './entries.ts'
import { One } from './One.tsx'
import { Report, useVerify } from './Verify.tsx'
import { words, type Word } from './words.ts'

const names = ['who', 'action', 'target', 'since'] as const
const ranges = ['15m', '1h', '24h', '7d'] as const

/** Audit shows the journal of what people did, and checks that it is whole. */
export default function Audit() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const verify = useVerify()
  const wanted = useMemo(
    () => Object.fromEntries(names.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value)),
    [query],
  ) as Partial<Record<(typeof names)[number], string>>
  const key = JSON.stringify(wanted)
  const pages = usePages<Entry>({
    key: ['journal', key],
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/journal', {
          params: { query: { ...wanted, limit: 200, ...(cursor ? { cursor } : {}) } },
          signal,
        }),
      ),
    every: 5000,
  })
  const columns = useMemo(() => columnsOf(t), [t])
  const put = (name: string, value: string) =>
    setQuery(
      (was) => {
        if (value) was.set(name, value)
        else was.delete(name)
        return was
      },
      { replace: name !== 'open' },
    )
  const opened = pages.rows.find((entry) => String(entry.seq) === query.get('open'))
  const close = () => {
    const id = query.get('open')
    put('open', '')
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-row="${id}"]`)?.focus())
  }
  useShortcuts({ Escape: () => opened && close() })
  const missing = pages.error instanceof Refused && pages.error.code === 'journalMissing'
  const filtered = Object.keys(wanted).length > 0
  const empty = missing ? (
    <Empty title={t('missing')} text={t('missingHelp')} />
  ) : filtered ? (
    <Empty title={t('noneSuch')} text={t('noneSuchHelp')}>
      <Button size="xs" variant="default" onClick={() => setQuery({})}>
        {t('clear')}
      </Button>
    </Empty>
  ) : (
    <Empty title={t('none')} text={t('noneHelp')} />
  )
  return (
    <Page title={t('title')} text={t('intro')} actions={<Actions verify={verify} missing={missing} />}>
      <Report verify={verify} onClose={() => verify.run.reset()} />
      <div className={classes['split']} data-open={opened ? true : undefined}>
        <div className={`card ${classes['list']}`}>
          <Bar key={key} query={query} put={put} />
          <DataTable
            label={t('journal')}
            rowId={(entry: Entry) => String(entry.seq)}
            columns={columns}
            hidden={opened ? narrowed : shownAll}
            onOpen={(entry) => put('open', String(entry.seq))}
            {...pages}
            error={missing ? undefined : pages.error}
            empty={empty}
          />
        </div>
        {opened && <One key={opened.seq} entry={opened} onClose={close} />}
      </div>
    </Page>
  )
}

const shownAll: ReadonlySet<string> = new Set()
const narrowed: ReadonlySet<string> = new Set(['target', 'why'])

function Actions({ verify, missing }: { verify: ReturnType<typeof useVerify>; missing: boolean }) {
  const t = useWords(words)
  if (missing) return null
  return (
    <>
      <Button
        component="a"
        href="/api/v1/journal/export?format=csv"
        download="journal.csv"
        variant="default"
        size="xs"
        aria-label={t('exportCsv')}
      >
        {t('csv')}
      </Button>
      <Button
        component="a"
        href="/api/v1/journal/export?format=ndjson"
        download="journal.ndjson"
        variant="default"
        size="xs"
        aria-label={t('exportNdjson')}
      >
        {t('ndjson')}
      </Button>
      <Button size="xs" loading={verify.run.isPending} onClick={() => verify.run.mutate(undefined)}>
        {t('verify')}
      </Button>
    </>
  )
}

function Bar({ query, put }: { query: URLSearchParams; put: (name: string, value: string) => void }) {
  const t = useWords(words)
  const field = (name: 'who' | 'action' | 'target', label: string) => (
    <TextInput
      aria-label={label}
      placeholder={label}
      size="xs"
      className={classes['find']!}
      {...(name === 'who' ? { 'data-search': true } : {})}
      defaultValue={query.get(name) ?? ''}
      onKeyDown={(event) => event.key === 'Enter' && put(name, event.currentTarget.value.trim())}
      onBlur={(event) =>
        event.currentTarget.value.trim() !== (query.get(name) ?? '') &&
        put(name, event.currentTarget.value.trim())
      }
    />
  )
  const label: Record<(typeof ranges)[number], Word> = {
    '15m': 'last15m',
    '1h': 'last1h',
    '24h': 'last24h',
    '7d': 'last7d',
  }
  return (
    <div className={classes['bar']}>
      {field('who', t('findWho'))}
      {field('action', t('findAction'))}
      {field('target', t('findTarget'))}
      <NativeSelect
        aria-label={t('since')}
        size="xs"
        value={query.get('since') ?? ''}
        onChange={(event) => put('since', event.currentTarget.value)}
        data={[
          { value: '', label: t('anyTime') },
          ...ranges.map((value) => ({ value, label: t(label[value]) })),
        ]}
      />
    </div>
  )
}

function columnsOf(t: Say<Word>): readonly Column<Entry>[] {
  return [
    { id: 'at', header: t('at'), width: '140px', cell: (entry) => <When at={entry.at} /> },
    { id: 'who', header: t('who'), width: 'minmax(110px, 1fr)', cell: (entry) => entry.name || entry.who },
    {
      id: 'action',
      header: t('action'),
      width: 'minmax(150px, 1fr)',
      cell: (entry) => <span className="mono">{entry.action}</span>,
    },
    {
      id: 'target',
      header: t('target'),
      width: 'minmax(200px, 2fr)',
      cell: (entry) => (
        <span className="mono" title={entry.target}>
          {entry.target}
        </span>
      ),
    },
    {
      id: 'phase',
      header: t('phase'),
      width: '120px',
      cell: (entry) => {
        const stage = stageOf(entry)
        return <Mark tone={stage.tone} text={t(stage.word)} />
      },
    },
    {
      id: 'why',
      header: t('why'),
      width: 'minmax(200px, 2fr)',
      cell: (entry) => <span title={entry.why}>{entry.why || entry.code}</span>,
    },
  ]
}
