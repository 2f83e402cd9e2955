import { Button, TextInput } from '@mantine/core'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useShortcuts } from '@/app/keys.ts'
import { useWords, type Say } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { Xid } from '@/shared/Xid.tsx'
import { rowText } from './graph.ts'
import { Holder } from './Holder.tsx'
import classes from './locks.module.css'
import { words, type Word } from './words.ts'

export type Lock = Schemas['Lock']

const fields = [
  ['table', 'findTable'],
  ['pk', 'findPk'],
  ['resource', 'findResource'],
  ['holder', 'findHolder'],
] as const

/** nameOfLock is what a lock is called in the address. */
function nameOfLock(lock: Lock): string {
  return [lock.resource, lock.table, lock.pk].join(' ')
}

/** Held searches the rows that are locked. */
export function Held() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const wanted = useMemo(
    () =>
      Object.fromEntries(fields.map(([name]) => [name, query.get(name) ?? '']).filter(([, value]) => value)),
    [query],
  ) as Partial<Record<(typeof fields)[number][0], string>>
  const key = JSON.stringify(wanted)
  const pages = usePages<Lock>({
    key: ['locks', 'held', key],
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/locks', {
          params: { query: { ...wanted, limit: 200, ...(cursor ? { cursor } : {}) } },
          signal,
        }),
      ),
    every: 2500,
  })
  const partial = pages.query.data?.pages.some((page) => (page as { partial?: boolean }).partial)
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
  const opened = pages.rows.find((lock) => nameOfLock(lock) === query.get('open'))
  const close = () => {
    const name = query.get('open') ?? ''
    put('open', '')
    requestAnimationFrame(() =>
      document.querySelector<HTMLElement>(`[data-row="${CSS.escape(name)}"]`)?.focus({ preventScroll: true }),
    )
  }
  useShortcuts({ Escape: () => opened && close() })
  const empty = Object.keys(wanted).length ? (
    <Empty title={t('noneSuch')} text={t('noneSuchHelp')}>
      <Button size="xs" variant="default" onClick={() => setQuery({})}>
        {t('clear')}
      </Button>
    </Empty>
  ) : (
    <Empty title={t('none')} text={t('noneHelp')} />
  )
  return (
    <div className={classes['split']} data-open={opened ? true : undefined}>
      <div className={classes['list']}>
        <div className={classes['bar']} key={key}>
          {fields.map(([name, label]) => (
            <TextInput
              key={name}
              size="xs"
              aria-label={t(label)}
              placeholder={t(label)}
              className={classes['find']!}
              {...(name === 'table' ? { 'data-search': true } : {})}
              defaultValue={query.get(name) ?? ''}
              onKeyDown={(event) => event.key === 'Enter' && put(name, event.currentTarget.value.trim())}
              onBlur={(event) =>
                event.currentTarget.value.trim() !== (query.get(name) ?? '') &&
                put(name, event.currentTarget.value.trim())
              }
            />
          ))}
        </div>
        {partial && <p className={classes['partial']}>{t('partial')}</p>}
        <DataTable
          label={t('held')}
          rowId={nameOfLock}
          columns={columns}
          hidden={opened ? narrowed : all}
          onOpen={(lock) => put('open', nameOfLock(lock))}
          {...pages}
          empty={empty}
        />
      </div>
      {opened && <Holder key={nameOfLock(opened)} lock={opened} onClose={close} />}
    </div>
  )
}

const all: ReadonlySet<string> = new Set()
const narrowed: ReadonlySet<string> = new Set(['resource', 'status'])

function columnsOf(t: Say<Word>): readonly Column<Lock>[] {
  return [
    {
      id: 'row',
      header: t('row'),
      width: 'minmax(160px, 2fr)',
      cell: (lock) => <span className="mono">{rowText(lock)}</span>,
    },
    {
      id: 'resource',
      header: t('resource'),
      width: 'minmax(160px, 2fr)',
      cell: (lock) => (
        <span className="mono dim" title={lock.resource}>
          {lock.resource}
        </span>
      ),
    },
    { id: 'holder', header: t('holder'), width: '210px', cell: (lock) => <Xid xid={lock.holder ?? ''} /> },
    { id: 'status', header: '', width: '130px', cell: (lock) => <StatusBadge status={lock.holderStatus} /> },
    {
      id: 'age',
      header: t('age'),
      width: '110px',
      align: 'right',
      cell: (lock) => <span className="num">{span(lock.ageMs ?? 0)}</span>,
    },
    {
      id: 'waiters',
      header: t('waiters'),
      width: '100px',
      align: 'right',
      cell: (lock) =>
        lock.waiters ? <Mark tone="warn" text={count(lock.waiters)} /> : <span className="dim">0</span>,
    },
  ]
}
