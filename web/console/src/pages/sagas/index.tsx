import { Button, Group, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useMemo, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { usePages } from '@/api/pages.ts'
import { useWords } from '@/i18n'
import { bytes } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Page, Section } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { countText, useLiveCounts, type LiveCounts } from './counts.ts'
import classes from './sagas.module.css'
import { words } from './words.ts'

const Import = lazy(() => import('./Import.tsx'))
const StartRun = lazy(() => import('./StartRun.tsx'))

type Version = Schemas['SagaVersion']
type Draft = Schemas['SagaDraft']

/** Sagas lists the definitions that are published, and the drafts. */
export default function Sagas() {
  const t = useWords(words)
  const navigate = useNavigate()
  const [search, setSearch] = useSearchParams()
  const [starting, setStarting] = useState<string>()
  const prefix = search.get('prefix') ?? ''
  const importing = search.get('import') === 'true'
  const pages = useSagas(prefix)
  const drafts = useDrafts()
  const counts = useLiveCounts()
  const columns = useColumns(drafts, counts, setStarting)
  const set = (name: string, value: string) =>
    setSearch(
      (was) => {
        const next = new URLSearchParams(was)
        if (value) next.set(name, value)
        else next.delete(name)
        return next
      },
      { replace: name === 'prefix' },
    )
  return (
    <Page title={t('sagas')} text={t('text')} actions={<Actions onImport={() => set('import', 'true')} />}>
      <section className="card" aria-label={t('sagas')}>
        <div className={classes['filters']}>
          <TextInput
            aria-label={t('find')}
            placeholder={t('find')}
            value={prefix}
            data-search
            w={280}
            onChange={(event) => set('prefix', event.currentTarget.value)}
          />
        </div>
        <DataTable
          label={t('sagas')}
          rows={pages.rows}
          rowId={(saga) => saga.name ?? ''}
          columns={columns}
          loading={pages.loading}
          error={pages.error}
          onRetry={pages.onRetry}
          more={pages.more}
          loadingMore={pages.loadingMore}
          onMore={pages.onMore}
          onOpen={(saga) => void navigate(`/sagas/${encodeURIComponent(saga.name ?? '')}`)}
          empty={<None prefix={prefix} onImport={() => set('import', 'true')} />}
        />
      </section>
      <OnlyDrafts
        drafts={drafts}
        published={pages.rows}
        whole={!pages.more && !pages.loading && prefix === ''}
      />
      <Suspense>
        {importing && <Import onClose={() => set('import', '')} />}
        {starting !== undefined && <StartRun saga={starting} onClose={() => setStarting(undefined)} />}
      </Suspense>
    </Page>
  )
}

function useSagas(prefix: string) {
  return usePages<Version>({
    key: ['sagas', prefix],
    every: 10_000,
    load: (cursor, signal) => {
      const query = { limit: 50, ...(prefix ? { prefix } : {}), ...(cursor ? { cursor } : {}) }
      return ask(api.GET('/api/v1/sagas/definitions', { params: { query }, signal })) as Promise<{
        items: Version[]
      }>
    },
  })
}

function useDrafts(): readonly Draft[] {
  const query = useQuery({
    queryKey: ['sagas', 'drafts'],
    queryFn: ({ signal }) =>
      ask(api.GET('/api/v1/sagas/drafts', { params: { query: { limit: 200 } }, signal })),
    refetchInterval: 10_000,
  })
  return query.data?.items ?? []
}

function Actions({ onImport }: { onImport: () => void }) {
  const t = useWords(words)
  return (
    <>
      <MayButton role="operator" variant="default" onClick={onImport}>
        {t('import')}
      </MayButton>
      <Button component={Link} to="/designer">
        {t('design')}
      </Button>
    </>
  )
}

function None({ prefix, onImport }: { prefix: string; onImport: () => void }) {
  const t = useWords(words)
  if (prefix) return <Empty title={t('noneFit')} />
  return (
    <Empty title={t('none')} text={t('noneText')}>
      <Group gap="xs" mt="xs">
        <Actions onImport={onImport} />
      </Group>
    </Empty>
  )
}

function useColumns(drafts: readonly Draft[], counts: LiveCounts | undefined, start: (saga: string) => void) {
  const t = useWords(words)
  return useMemo<Column<Version>[]>(
    () => [
      {
        id: 'name',
        header: t('name'),
        width: 'minmax(220px, 1.4fr)',
        cell: (saga) => <Name saga={saga} draft={drafts.find((draft) => draft.name === saga.name)} />,
      },
      { id: 'title', header: t('title'), width: 'minmax(140px, 1.4fr)', cell: (saga) => saga.title },
      { id: 'version', header: t('version'), width: '80px', align: 'right', cell: (saga) => saga.version },
      {
        id: 'running',
        header: t('running'),
        width: '100px',
        align: 'right',
        cell: (saga) => <Running saga={saga} counts={counts} />,
      },
      { id: 'at', header: t('published'), width: '130px', cell: (saga) => <When at={saga.at} /> },
      { id: 'by', header: t('by'), width: '120px', cell: (saga) => saga.by },
      {
        id: 'note',
        header: t('note'),
        width: 'minmax(120px, 1fr)',
        cell: (saga) => <span title={saga.note}>{saga.note}</span>,
      },
      {
        id: 'act',
        header: '',
        width: '130px',
        align: 'right',
        cell: (saga) => (
          <MayButton role="service" size="compact-xs" variant="default" onClick={() => start(saga.name ?? '')}>
            {t('start')}
          </MayButton>
        ),
      },
    ],
    [t, drafts, counts, start],
  )
}

function Name({ saga, draft }: { saga: Version; draft: Draft | undefined }) {
  const t = useWords(words)
  return (
    <span className={classes['name']}>
      <Link to={`/sagas/${encodeURIComponent(saga.name ?? '')}`}>{saga.name}</Link>
      {saga.language === 'seata' && <Mark tone="idle" text="Seata" help={t('seata')} />}
      {draft && <Mark tone="warn" text={t('draft')} help={t('draftHelp', { by: draft.by ?? '' })} />}
      {saga.unreadable && <Mark tone="bad" text={t('unreadable')} help={saga.unreadable} />}
    </span>
  )
}

function Running({ saga, counts }: { saga: Version; counts: LiveCounts | undefined }) {
  const text = countText(counts, saga.name ?? '')
  if (text === '' || text === '0') return <span className="dim">{text}</span>
  return <Link to={`/runs?saga=${encodeURIComponent(saga.name ?? '')}&live=true`}>{text}</Link>
}

/** OnlyDrafts are the drafts of sagas of which no version is published; they are in no row of the list. */
function OnlyDrafts(props: { drafts: readonly Draft[]; published: readonly Version[]; whole: boolean }) {
  const t = useWords(words)
  const names = new Set(props.published.map((saga) => saga.name))
  const shown = props.whole ? props.drafts.filter((draft) => !names.has(draft.name)) : []
  if (shown.length === 0) return null
  return (
    <Section title={t('drafts')} flush>
      <ul className={classes['drafts']}>
        {shown.map((draft) => (
          <li key={draft.name}>
            <Link to={`/designer/${encodeURIComponent(draft.name ?? '')}`}>{draft.name}</Link>
            <Mark tone="warn" text={t('draftOnly')} />
            <span className="dim">
              {draft.by} · <When at={draft.at} /> · {bytes(draft.bytes ?? 0)}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}
