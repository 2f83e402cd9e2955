import { Checkbox } from '@mantine/core'
import { columnVisibilityFeature, createColumnHelper, tableFeatures, useTable, type RowData } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react'
import { useShortcuts } from '@/app/keys.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import classes from './DataTable.module.css'
import { Empty } from './Empty.tsx'
import { ErrorBox } from './ErrorBox.tsx'
import { Loading } from './Loading.tsx'
import { words } from './words.ts'

/** Column is one column of a DataTable. */
export interface Column<Row> {
  readonly id: string
  readonly header: string
  readonly cell: (row: Row) => ReactNode
  /** A track of a CSS grid, such as "120px" or "minmax(120px, 2fr)". */
  readonly width: string
  readonly align?: 'right'
}

export interface Selection {
  readonly ids: ReadonlySet<string>
  readonly onChange: (ids: ReadonlySet<string>) => void
}

export interface DataTableProps<Row> {
  /** What the table is called, for those who do not see it. */
  readonly label: string
  readonly rows: readonly Row[]
  readonly rowId: (row: Row) => string
  readonly columns: readonly Column<Row>[]
  /** Ids of columns that are not shown. */
  readonly hidden?: ReadonlySet<string>
  readonly loading?: boolean
  readonly error?: unknown
  readonly onRetry?: () => void
  readonly empty?: ReactNode
  /** Whether there are more rows behind these; onMore asks for them. */
  readonly more?: boolean
  readonly loadingMore?: boolean
  readonly onMore?: () => void
  readonly onOpen?: (row: Row) => void
  readonly selection?: Selection
  /** CSS height of the scrolling part; absent: as high as the window allows. */
  readonly height?: string
  /** Rows closer together. */
  readonly dense?: boolean
  /** Rows that are shown dimmed, because they are not what was asked for any more. */
  readonly dimmed?: ReadonlySet<string>
  /** In the line below the rows, at its end. */
  readonly foot?: ReactNode
}

const features = tableFeatures({ columnVisibilityFeature })
const rowHeight = 38
const denseHeight = 30

/** DataTable shows any number of rows: only those in sight are in the document and in the model of the table. Keys: j and
 * k move, Home and End go to the ends, o or Enter opens, x selects. It reads as a table to screen readers, with the
 * number of each row. */
export function DataTable<Row extends RowData>(props: DataTableProps<Row>) {
  const t = useWords(words)
  const { rows, rowId, selection } = props
  const scroller = useRef<HTMLDivElement>(null)
  const size = props.dense ? denseHeight : rowHeight
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => size,
    overscan: 12,
  })
  useEffect(() => virtual.measure(), [virtual, size])
  const items = virtual.getVirtualItems()
  const first = items[0]?.index ?? 0
  const table = useModel(props, first, items.at(-1)?.index ?? -1)
  const models = table.getRowModel().rows
  const columns = table.getVisibleLeafColumns()
  const { at, setAt } = useCursor(props, (i) => virtual.scrollToIndex(i, { align: 'auto' }))
  useMore(props, items.at(-1)?.index ?? -1)
  useRoom(scroller, props.height)
  const tracks = useMemo(() => {
    const width = new Map(props.columns.map((column) => [column.id, column.width]))
    return (selection ? '36px ' : '') + columns.map((column) => width.get(column.id)).join(' ')
  }, [props.columns, columns, selection])
  if (props.error && rows.length === 0) return <ErrorBox error={props.error} {...retryOf(props)} />
  if (props.loading) return <Loading rows={10} />
  if (rows.length === 0 && !props.more) return <>{props.empty ?? <Empty title={t('nothing')} />}</>
  const grid = { gridTemplateColumns: tracks }
  return (
    <>
      {!!props.error && <ErrorBox error={props.error} {...retryOf(props)} stale />}
      <div ref={scroller} className={classes['scroller']} style={props.height ? { height: props.height } : undefined}>
        <div role="table" aria-label={props.label} aria-rowcount={props.more ? -1 : rows.length + 1}
          className={classes['table']}>
          <div role="rowgroup" className={classes['head']}>
            <div role="row" aria-rowindex={1} className={classes['row']} style={grid}>
              {selection && <SelectAll rows={rows} rowId={rowId} selection={selection} />}
              {table.getFlatHeaders().map((header) => (
                <div role="columnheader" key={header.id} className={classes['cell']} data-align={alignOf(props, header.id)}>
                  <table.FlexRender header={header} />
                </div>
              ))}
            </div>
          </div>
          <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {items.map((item) => {
              const model = models[item.index - first]
              if (!model) return null
              const id = model.id
              return (
                <div
                  role="row"
                  key={id}
                  aria-rowindex={item.index + 2}
                  aria-selected={selection ? selection.ids.has(id) : undefined}
                  data-row={id}
                  data-current={item.index === at || undefined}
                  data-opens={props.onOpen ? true : undefined}
                  data-dimmed={props.dimmed?.has(id) || undefined}
                  tabIndex={item.index === at || (at < 0 && item.index === 0) ? 0 : -1}
                  className={classes['row']}
                  style={{ ...grid, height: item.size, transform: `translateY(${item.start}px)`, position: 'absolute' }}
                  onFocus={() => setAt(item.index)}
                  onClick={(event) => {
                    if ((event.target as HTMLElement).closest('a, button, input, label')) return
                    if (!getSelection()?.toString()) props.onOpen?.(model.original)
                  }}
                  onKeyDown={(event) => {
                    if (event.key === 'Enter' && event.target === event.currentTarget) props.onOpen?.(model.original)
                  }}
                >
                  {selection && <SelectOne id={id} selection={selection} />}
                  {model.getVisibleCells().map((cell) => (
                    <div role="cell" key={cell.id} className={classes['cell']} data-align={alignOf(props, cell.column.id)}>
                      <table.FlexRender cell={cell} />
                    </div>
                  ))}
                </div>
              )
            })}
          </div>
        </div>
      </div>
      <div className={classes['foot']} role="status">
        {props.loadingMore
          ? t('loadingMore')
          : t(props.more ? 'rowsMore' : 'rows', { count: count(rows.length) })}
        {props.foot}
      </div>
    </>
  )
}

/** useModel is the model of the rows from first to last alone, so that its cost does not grow with the list. */
function useModel<Row extends RowData>(props: DataTableProps<Row>, first: number, last: number) {
  const { rows, rowId, columns, hidden } = props
  const data = useMemo(() => rows.slice(first, last + 1), [rows, first, last])
  const defined = useMemo(() => {
    const helper = createColumnHelper<typeof features, Row>()
    return helper.columns(
      columns.map((column) =>
        helper.display({ id: column.id, header: column.header, cell: (c) => column.cell(c.row.original) }),
      ),
    )
  }, [columns])
  const columnVisibility = useMemo(() => Object.fromEntries([...(hidden ?? [])].map((id) => [id, false])), [hidden])
  return useTable({
    features,
    columns: defined,
    data,
    getRowId: rowId,
    state: { columnVisibility },
    onColumnVisibilityChange: () => {},
  })
}

function retryOf<Row>(props: DataTableProps<Row>): { retry?: () => void } {
  return props.onRetry ? { retry: props.onRetry } : {}
}

function alignOf<Row>(props: DataTableProps<Row>, id: string): string | undefined {
  return props.columns.find((column) => column.id === id)?.align
}

/** useMore asks for the next page when the end comes near. */
function useMore<Row>({ rows, more, loadingMore, onMore, error }: DataTableProps<Row>, last: number): void {
  useEffect(() => {
    if (more && !loadingMore && !error && last >= rows.length - 20) onMore?.()
  }, [more, loadingMore, error, onMore, last, rows.length])
}

/** useCursor moves through the rows by keys. */
function useCursor<Row>({ rows, rowId, onOpen, selection }: DataTableProps<Row>, show: (index: number) => void) {
  const [at, setAt] = useState(-1)
  const go = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    if (rows.length === 0) return
    setAt(next)
    show(next)
    const id = rowId(rows[next]!)
    focusRow(id, 10)
  }
  useShortcuts({
    j: () => go(at + 1),
    k: () => go(at - 1),
    ArrowDown: () => go(at + 1),
    ArrowUp: () => go(at - 1),
    Home: () => go(0),
    End: () => go(rows.length - 1),
    o: () => rows[at] && onOpen?.(rows[at]),
    x: () => {
      if (!selection || !rows[at]) return
      selection.onChange(toggled(selection.ids, rowId(rows[at])))
    },
  })
  return { at, setAt }
}

/** useRoom lets the table be as high as there is room below it in the window, and not lower than half of that. */
function useRoom(scroller: RefObject<HTMLDivElement | null>, height: string | undefined): void {
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element || height) return
    const top = Math.round(element.getBoundingClientRect().top + scrollY)
    element.style.maxHeight = `max(calc(100vh - ${top + 56}px), 45vh)`
  })
}

/** focusRow puts the focus on a row as soon as it is drawn, within some frames. */
function focusRow(id: string, frames: number): void {
  const row = document.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"]`)
  if (row) row.focus({ preventScroll: true })
  else if (frames > 0) requestAnimationFrame(() => focusRow(id, frames - 1))
}

function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(ids)
  if (!next.delete(id)) next.add(id)
  return next
}

function SelectOne({ id, selection }: { id: string; selection: Selection }) {
  const t = useWords(words)
  return (
    <div role="cell" className={classes['pick']}>
      <Checkbox
        size="xs"
        aria-label={`${t('selectRow')} ${id}`}
        checked={selection.ids.has(id)}
        onChange={() => selection.onChange(toggled(selection.ids, id))}
        tabIndex={-1}
      />
    </div>
  )
}

function SelectAll<Row>(props: { rows: readonly Row[]; rowId: (row: Row) => string; selection: Selection }) {
  const t = useWords(words)
  const { ids, onChange } = props.selection
  const all = props.rows.length > 0 && ids.size >= props.rows.length
  return (
    <div role="columnheader" className={classes['pick']}>
      <Checkbox
        size="xs"
        aria-label={t('selectAll')}
        checked={all}
        indeterminate={ids.size > 0 && !all}
        onChange={() => onChange(all ? new Set() : new Set(props.rows.map(props.rowId)))}
      />
    </div>
  )
}
