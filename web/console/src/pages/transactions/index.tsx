import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { usePlayground } from '@/app/features.ts'
import { useShortcuts } from '@/app/keys.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Icon } from '@/shared/Icon.tsx'
import { Page } from '@/shared/Page.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { BulkBar } from './BulkBar.tsx'
import { useColumns } from './columns.tsx'
import { ColumnsMenu } from './ColumnsMenu.tsx'
import { FilterForm } from './FilterForm.tsx'
import { readPrefs, writePrefs, type ColumnId, type Prefs } from './prefs.ts'
import { exportAddress } from './query.ts'
import { RangePicker } from './RangePicker.tsx'
import { parse, type Filter } from './search.ts'
import { SearchBar } from './SearchBar.tsx'
import classes from './transactions.module.css'
import { useList } from './useList.ts'
import { useValues } from './useValues.ts'
import { ViewsMenu } from './ViewsMenu.tsx'
import { words } from './words.ts'

/** Transactions is the list of them all: a search, what it finds, and what can be done with many at once. */
export default function Transactions() {
  const t = useWords(words)
  const navigate = useNavigate()
  const [params, setParams] = useSearchParams()
  const [prefs, setPrefs] = usePrefs()
  const text = params.get('q') ?? ''
  const { filter, wrong } = parse(text)
  const list = useList(text, filter, { enabled: wrong.length === 0, auto: prefs.auto })
  const values = useValues(list.rows)
  const columns = useColumns(prefs.columns)
  const picked = usePicked(text)
  // What the search will be when the address has followed, so that two changes in one moment are both kept.
  const latest = useRef(text)
  useEffect(() => void (latest.current = text), [text])
  const edit = (how: (was: string) => string) => show(how(latest.current))
  const show = (next: string, view?: string) => {
    latest.current = next
    setParams((was) => {
      const query = new URLSearchParams(was)
      if (next) query.set('q', next)
      else query.delete('q')
      if (view) query.set('view', view)
      else query.delete('view')
      return query
    })
  }
  const showView = (next: string, shown: readonly ColumnId[] | undefined, view: string | undefined) => {
    if (shown) setPrefs({ ...prefs, columns: shown })
    show(next, view)
  }
  useShortcuts({ Escape: picked.clear })
  const everything = text === ''
  return (
    <Page
      title={t('title')}
      mark={wrong.length === 0 && <Following auto={prefs.auto} stale={list.stale} />}
      actions={
        <>
          <ViewsMenu
            text={text}
            columns={prefs.columns}
            current={params.get('view') ?? undefined}
            onShow={showView}
          />
          <ExportMenu filter={filter} disabled={wrong.length > 0} />
        </>
      }
    >
      <div className="card">
        <div className={classes['bar']}>
          <SearchBar text={text} onSearch={show} values={values} />
          <div className={classes['tools']}>
            <RangePicker text={text} onSearch={show} />
            <FilterForm text={text} onEdit={edit} values={values} />
            <ColumnsMenu prefs={prefs} onChange={setPrefs} />
            <Tooltip label={t('refresh')}>
              <ActionIcon
                variant="default"
                size={32}
                aria-label={t('refresh')}
                onClick={list.refresh}
                loading={list.refreshing}
              >
                <Icon path="M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5" size={14} />
              </ActionIcon>
            </Tooltip>
          </div>
        </div>
        {picked.any && (
          <BulkBar
            ids={picked.ids}
            all={picked.all}
            filter={filter}
            onAll={picked.selectAll}
            onClear={picked.clear}
            matching={list.more ? undefined : list.rows.length}
          />
        )}
        <News news={list.news} bound={list.newsBound} onShow={list.refresh} />
        {wrong.length > 0 ? (
          <Empty title={t('wrongTitle')}>
            <Button variant="default" size="xs" onClick={() => show('')}>
              {t('clearSearch')}
            </Button>
          </Empty>
        ) : (
          <DataTable
            label={t('title')}
            rows={list.rows}
            rowId={rowId}
            columns={columns}
            loading={list.loading}
            error={list.error}
            onRetry={list.retry}
            more={list.more}
            loadingMore={list.loadingMore}
            onMore={list.onMore}
            dense={prefs.dense}
            dimmed={list.news.gone}
            onOpen={(row) => void navigate(`/transactions/${row.id}`)}
            selection={{ ids: picked.ids, onChange: picked.set }}
            empty={everything ? <None /> : <Unfound text={text} onClear={() => show('')} />}
          />
        )}
      </div>
    </Page>
  )
}

function rowId(row: { id?: string }): string {
  return row.id ?? ''
}

function usePrefs(): [Prefs, (prefs: Prefs) => void] {
  const [prefs, set] = useState(() => readPrefs())
  return [
    prefs,
    (next) => {
      writePrefs(next)
      set(next)
    },
  ]
}

/** usePicked is what is selected, which another search forgets. */
function usePicked(text: string) {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set())
  const [all, setAll] = useState(false)
  const clear = () => {
    setIds(new Set())
    setAll(false)
  }
  useEffect(clear, [text])
  return {
    ids,
    all,
    any: all || ids.size > 0,
    set: (next: ReadonlySet<string>) => {
      setIds(next)
      setAll(false)
    },
    selectAll: () => setAll(true),
    clear,
  }
}

/** Following says whether what is shown is live. */
function Following({ auto, stale }: { auto: boolean; stale: boolean }) {
  const t = useWords(words)
  if (!auto) return <Mark tone="idle" text={t('paused')} help={t('pausedHelp')} />
  if (stale) return <Mark tone="warn" text={t('staleMark')} help={t('staleHelp')} />
  return <Mark tone="good" text={t('following')} help={t('followingHelp')} />
}

/** News offers what has come, without a row having moved. */
function News(props: {
  news: { fresh: number; gone: ReadonlySet<string> }
  bound: number
  onShow: () => void
}) {
  const t = useWords(words)
  const { fresh, gone } = props.news
  const parts = [
    ...(fresh >= props.bound
      ? [t('freshMany', { count: fresh - 1 })]
      : fresh > 0
        ? [t('fresh', { count: fresh })]
        : []),
    ...(gone.size > 0 ? [t('goneSome', { count: count(gone.size) })] : []),
  ]
  return (
    <div role="status">
      {parts.length > 0 && (
        <div className={classes['news']}>
          {parts.join(' · ')}
          <Button size="compact-xs" variant="white" onClick={props.onShow}>
            {t('showNew')}
          </Button>
        </div>
      )}
    </div>
  )
}

function None() {
  const t = useWords(words)
  const playground = usePlayground()
  return (
    <Empty title={t('emptyTitle')} text={t('emptyText')}>
      {playground && (
        <Button component={Link} to="/playground" variant="default" size="xs">
          {t('playground')}
        </Button>
      )}
    </Empty>
  )
}

function Unfound({ text, onClear }: { text: string; onClear: () => void }) {
  const t = useWords(words)
  return (
    <Empty title={t('noneTitle')} text={t('noneText', { search: text })}>
      <Button variant="default" size="xs" onClick={onClear}>
        {t('clearSearch')}
      </Button>
    </Empty>
  )
}

function ExportMenu({ filter, disabled }: { filter: Filter; disabled: boolean }) {
  const t = useWords(words)
  const item = (kind: 'csv' | 'ndjson', text: string) => (
    <Menu.Item component="a" href={disabled ? undefined : exportAddress(filter, kind, Date.now())} download>
      {text}
    </Menu.Item>
  )
  return (
    <Menu withInitialFocusPlaceholder={false} position="bottom-end" shadow="md" width={280}>
      <Menu.Target>
        <Button
          variant="default"
          size="xs"
          disabled={disabled}
          rightSection={<Icon path="M4 6l4 4 4-4" size={12} />}
        >
          {t('export')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('exportHelp')}</Menu.Label>
        {item('csv', t('exportCsv'))}
        {item('ndjson', t('exportNdjson'))}
      </Menu.Dropdown>
    </Menu>
  )
}
