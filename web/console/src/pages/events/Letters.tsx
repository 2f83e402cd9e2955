import { Code, Drawer, Group, NativeSelect } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useWords, type Say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { letterAction } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { When } from '@/shared/When.tsx'
import classes from './events.module.css'
import { words } from './words.ts'

type Letter = Schemas['EventLetter']
type Word = keyof (typeof words)['en']

/** Letters shows what the consumers of a group could not handle, and gives it to them again. */
export function Letters() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const groups = useQuery({
    queryKey: ['events', 'deadletters'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/events/deadletters', { signal })),
    refetchInterval: 5000,
  })
  const all = groups.data?.items ?? []
  const group = query.get('group') ?? (all.find((each) => each.letters) ?? all[0])?.group ?? ''
  if (groups.isPending) return <Loading rows={4} />
  if (groups.error && !groups.data) return <ErrorBox error={groups.error} retry={() => void groups.refetch()} />
  if (!group) return <Empty title={t('lettersNone')} text={t('lettersNoneHelp')} />
  const known = all.some((each) => each.group === group) ? all : [{ group, letters: 0 }, ...all]
  return (
    <>
      <div className={classes['bar']}>
        <NativeSelect
          size="xs"
          label={t('lettersIn')}
          value={group}
          className={classes['find']!}
          onChange={(event) =>
            setQuery({ tab: 'letters', group: event.currentTarget.value }, { replace: true })
          }
          data={known.map((each) => ({
            value: each.group ?? '',
            label: t('lettersCount', {
              group: each.group ?? '',
              count: count(each.letters ?? 0) + (each.more ? '+' : ''),
            }),
          }))}
        />
      </div>
      <List key={group} group={group} />
    </>
  )
}

function List({ group }: { group: string }) {
  const t = useWords(words)
  const client = useQueryClient()
  const [opened, setOpened] = useState<Letter>()
  const [action, setAction] = useState<Action>()
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set())
  const pages = usePages<Letter>({
    key: ['events', 'letters', group],
    every: 5000, // a page that was opened before the first letter shows it, too
    load: (cursor, signal) =>
      ask(
        api.GET('/api/v1/events/groups/{group}/deadletters', {
          params: { path: { group }, query: { limit: 100, ...(cursor ? { cursor } : {}) } },
          signal,
        }),
      ),
  })
  const columns = useMemo(() => columnsOf(t), [t])
  const renew = () => client.invalidateQueries({ queryKey: ['events'] })
  const act = (letter: Letter, what: 'replay' | 'discard') =>
    setAction(letterAction(group, letter.id ?? '', what))
  return (
    <>
      <Replay
        group={group}
        ids={[...picked]}
        onDone={() => {
          setPicked(new Set())
          void renew()
        }}
      />
      <DataTable
        label={t('letters')}
        rowId={(letter: Letter) => letter.id ?? ''}
        columns={columns}
        onOpen={setOpened}
        selection={{ ids: picked, onChange: setPicked }}
        {...pages}
        empty={<Empty title={t('lettersNone')} text={t('lettersNoneHelp')} />}
      />
      {opened && (
        <One
          letter={opened}
          onClose={() => setOpened(undefined)}
          act={(what) => {
            setOpened(undefined) // the dialog would stand below it
            act(opened, what)
          }}
        />
      )}
      <ActionDialog
        action={action}
        onClose={() => {
          setAction(undefined)
          setOpened(undefined)
          void renew()
        }}
      />
    </>
  )
}

/** Replay gives the chosen letters to the group again, one after the other, and counts what became of each. */
function Replay({ group, ids, onDone }: { group: string; ids: readonly string[]; onDone: () => void }) {
  const t = useWords(words)
  const [told, setTold] = useState('')
  const replay = useMutation({
    mutationFn: async () => {
      let done = 0
      let failed = 0
      let last: unknown
      for (const letter of ids) {
        try {
          const path = { group, letter }
          await ask(
            api.POST('/api/v1/events/groups/{group}/deadletters/{letter}/replay', {
              params: { path },
              body: {},
            }),
          )
          done++
        } catch (error) {
          failed++
          last = error
        }
        setTold(t('replaying', { done, failed, n: ids.length }))
      }
      if (last) throw last
    },
    onSettled: onDone,
  })
  if (ids.length === 0 && !told) return null
  return (
    <div className={classes['bar']} role="status">
      {ids.length > 0 && (
        <MayButton role="operator" size="xs" loading={replay.isPending} onClick={() => replay.mutate()}>
          {t('replayAll', { n: count(ids.length) })}
        </MayButton>
      )}
      {told}
      {replay.error && <ErrorBox error={replay.error} />}
    </div>
  )
}

function columnsOf(t: Say<Word>): readonly Column<Letter>[] {
  return [
    { id: 'failedAt', header: t('failedAt'), width: '140px', cell: (x) => <When at={x.failedAt ?? x.at} /> },
    {
      id: 'topic',
      header: t('topic'),
      width: 'minmax(150px, 1fr)',
      cell: (x) => <span className="mono">{x.topic}</span>,
    },
    {
      id: 'attempts',
      header: t('attempts'),
      width: '90px',
      align: 'right',
      cell: (x) => count(x.attempts ?? 0),
    },
    {
      id: 'reason',
      header: t('reason'),
      width: 'minmax(260px, 3fr)',
      cell: (x) => <span title={x.reason}>{x.reason}</span>,
    },
    { id: 'at', header: t('at'), width: '140px', cell: (x) => <When at={x.at} /> },
  ]
}

function One(props: { letter: Letter; onClose: () => void; act: (what: 'replay' | 'discard') => void }) {
  const t = useWords(words)
  const { letter } = props
  const { origin, properties } = letter
  return (
    <Drawer
      opened
      onClose={props.onClose}
      position="right"
      size="lg"
      title={t('letterDetail', { id: letter.id ?? '' })}
      transitionProps={{ duration: 0 }}
    >
      <Group gap="xs" mb="md">
        <MayButton role="operator" size="xs" onClick={() => props.act('replay')}>
          {t('replay')}
        </MayButton>
        <MayButton role="resolver" size="xs" variant="default" onClick={() => props.act('discard')}>
          {t('discard')}
        </MayButton>
      </Group>
      {letter.reason && <p className={classes['reason']}>{letter.reason}</p>}
      <Code block className={classes['json']!}>
        {typeof letter.event === 'string' ? letter.event : JSON.stringify(letter.event, null, 2)}
      </Code>
      {properties && <Facts title={t('properties')} facts={properties} />}
      {origin && <Facts title={t('origin')} facts={origin} />}
    </Drawer>
  )
}

function Facts({ title, facts }: { title: string; facts: object }) {
  return (
    <>
      <h3>{title}</h3>
      <dl className={classes['facts']}>
        {Object.entries(facts).map(([name, value]) => (
          <div key={name}>
            <dt className="mono">{name}</dt>
            <dd className="mono">{String(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}
