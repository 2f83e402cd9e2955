import { Button, Code, Drawer, Switch, TextInput } from '@mantine/core'
import { useMemo, useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { api, ask } from '@/api/client.ts'
import { useFeed } from '@/api/feed.ts'
import { usePages } from '@/api/pages.ts'
import { useWords, type Say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { LiveMark } from '@/shared/LiveMark.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf, Xid } from '@/shared/Xid.tsx'
import { entryOf, eventOf, streamPath, type CloudEvent, type Entry } from './feed.ts'
import classes from './events.module.css'
import { words } from './words.ts'

type Word = keyof (typeof words)['en']

/** Log browses what is published from an entry on, or follows it as it comes. */
export function Log() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const live = query.get('live') === 'true'
  const topics = query.get('topics') ?? ''
  const from = query.get('from') ?? ''
  const [paused, setPaused] = useState(false)
  const [opened, setOpened] = useState<Entry>()
  const feed = useFeed<CloudEvent, Entry>(live ? streamPath(topics) : '', paused, entryOf)
  const pages = usePages<Entry>({
    key: ['events', topics, from],
    load: (cursor, signal) =>
      ask(api.GET('/api/v1/events', { params: { query: wanted(topics, from, cursor) }, signal })),
    enabled: !live,
  })
  const columns = useMemo(() => columnsOf(t), [t])
  const put = (name: string, value: string) =>
    setQuery(
      (was) => {
        if (value) was.set(name, value)
        else was.delete(name)
        return was
      },
      { replace: true },
    )
  const field = (name: 'topics' | 'from', value: string) => (
    <TextInput
      key={name}
      aria-label={t(name)}
      placeholder={name === 'from' ? `${t('from')}: ${t('newestFirst')}` : t('topics')}
      size="xs"
      defaultValue={value}
      data-search={name === 'topics' || undefined}
      disabled={live && name === 'from'}
      className={classes['find']!}
      onKeyDown={(event) => event.key === 'Enter' && put(name, event.currentTarget.value.trim())}
      onBlur={(event) => put(name, event.currentTarget.value.trim())}
    />
  )
  const table = live
    ? { rows: feed.rows, empty: <Empty title={t('noneLive')} text={t('following')} /> }
    : { ...pages, empty: <Empty title={t('none')} text={t('noneHelp')} /> }
  return (
    <>
      <div className={classes['bar']}>
        {field('topics', topics)}
        {field('from', from)}
        <span className={classes['live']}>
          {live && <LiveMark state={feed.state} />}
          {live && (
            <Button size="xs" variant="default" onClick={() => setPaused(!paused)}>
              {paused ? t('goOn', { n: count(feed.waiting) }) : t('pause')}
            </Button>
          )}
          <Switch
            label={t('follow')}
            checked={live}
            onChange={(event) => put('live', event.currentTarget.checked ? 'true' : '')}
          />
        </span>
      </div>
      {feed.gap && <p className={classes['gap']}>{t('gap', { first: count(feed.gap.first ?? 0) })}</p>}
      <DataTable
        label={t('log')}
        rowId={(entry: Entry) => String(entry.seq)}
        columns={columns}
        onOpen={setOpened}
        {...table}
      />
      {opened && <One entry={opened} onClose={() => setOpened(undefined)} />}
    </>
  )
}

function wanted(topics: string, from: string, cursor: string | undefined) {
  return {
    limit: 100,
    ...(topics ? { topics } : {}),
    // Without a place the newest come first; from a place on the log is read forwards.
    ...(from ? {} : { order: 'newest' as const }),
    ...(from && !cursor ? { from } : {}),
    ...(cursor ? { cursor } : {}),
  }
}

function columnsOf(t: Say<Word>): readonly Column<Entry>[] {
  return [
    { id: 'seq', header: t('seq'), width: '90px', align: 'right', cell: (x) => count(x.seq ?? 0) },
    { id: 'at', header: t('at'), width: '150px', cell: (x) => <When at={x.at} /> },
    {
      id: 'topic',
      header: t('topic'),
      width: 'minmax(150px, 1fr)',
      cell: (x) => <span className="mono">{x.topic}</span>,
    },
    {
      id: 'type',
      header: t('type'),
      width: 'minmax(200px, 1fr)',
      cell: (x) => <span className="mono">{eventOf(x).type}</span>,
    },
    {
      id: 'subject',
      header: t('subject'),
      width: '220px',
      cell: (x) => (eventOf(x).subject ? <Xid xid={eventOf(x).subject!} /> : null),
    },
  ]
}

function One({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const t = useWords(words)
  const subject = eventOf(entry).subject
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="lg"
      title={t('event', { seq: entry.seq ?? '' })}
      transitionProps={{ duration: 0 }}
    >
      <Code block className={classes['json']!}>
        {JSON.stringify(entry.event, null, 2)}
      </Code>
      {subject && (
        <Button component={Link} to={`/transactions/${numberOf(subject)}`} variant="default" mt="md">
          {t('open')}
        </Button>
      )}
    </Drawer>
  )
}
