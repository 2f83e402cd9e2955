import {
  columnVisibilityFeature,
  createColumnHelper,
  tableFeatures,
  useTable,
  type RowData,
} from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
  type RefObject,
} from 'react'
import { useShortcuts } from '@/app/keys.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { nowhere, whereabouts } from './cursor.ts'
import { keep, kept } from './kept.ts'
import classes from './DataTable.module.css'
import { Edged } from './Edged.tsx'
import { Empty } from './Empty.tsx'
import { ErrorBox } from './ErrorBox.tsx'
import { Loading } from './Loading.tsx'
import { TableRow, type RowActs } from './TableRow.tsx'
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
  /** The row that is shown in whole beside the table. */
  readonly opened?: string
  /** In the line below the rows, at its end. */
  readonly foot?: ReactNode
}

const features = tableFeatures({ columnVisibilityFeature })
const rowHeight = 38
const denseHeight = 30

/** DataTable shows any number of rows: only those in sight are in the document. Keys: j and
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
    overscan: 8,
  })
  useEffect(() => virtual.measure(), [virtual, size])
  const items = virtual.getVirtualItems()
  const table = useModel(props)
  const shown = table.getVisibleLeafColumns()
  const { at, setAt } = useCursor(props, (i) => virtual.scrollToIndex(i, { align: 'auto' }))
  useMore(props, items.at(-1)?.index ?? -1)
  useRoom(scroller, props.height)
  const acts = useActs(props, setAt)
  const columns = useMemo(() => {
    const defined = new Map(props.columns.map((column) => [column.id, column]))
    return shown.map((column) => defined.get(column.id)!).filter(Boolean)
  }, [props.columns, shown])
  const tracks = (selection ? '36px ' : '') + columns.map((column) => column.width).join(' ')
  if (props.error && rows.length === 0) return <ErrorBox error={props.error} {...retryOf(props)} />
  if (props.loading) return <Loading rows={10} />
  if (rows.length === 0 && !props.more) return <>{props.empty ?? <Empty title={t('nothing')} />}</>
  return (
    <>
      {!!props.error && <ErrorBox error={props.error} {...retryOf(props)} stale />}
      <Edged scroller={scroller} height={props.height}>
        <div
          role="table"
          aria-label={props.label}
          aria-rowcount={props.more ? -1 : rows.length + 1}
          className={classes['table']}
        >
          <div role="rowgroup" className={classes['head']}>
            <div
              role="row"
              aria-rowindex={1}
              className={classes['row']}
              style={{ gridTemplateColumns: tracks }}
            >
              {selection && <SelectAll rows={rows} rowId={rowId} selection={selection} />}
              {table.getFlatHeaders().map((header) => (
                <div
                  role="columnheader"
                  key={header.id}
                  className={classes['cell']}
                  data-align={alignOf(props, header.id)}
                >
                  <table.FlexRender header={header} />
                </div>
              ))}
            </div>
          </div>
          <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {items.map((item) => {
              const row = rows[item.index]
              if (row === undefined) return null
              const id = rowId(row)
              return (
                <TableRow
                  key={id}
                  row={row}
                  id={id}
                  index={item.index}
                  start={item.start}
                  height={item.size}
                  tracks={tracks}
                  columns={columns}
                  acts={acts}
                  opened={props.opened === id}
                  opens={props.onOpen !== undefined}
                  current={item.index === at}
                  reached={item.index === at || (at < 0 && item.index === 0)}
                  dimmed={props.dimmed?.has(id) ?? false}
                  selected={selection?.ids.has(id)}
                />
              )
            })}
          </div>
        </div>
      </Edged>
      <div className={classes['foot']} role="status">
        {props.loadingMore
          ? t('loadingMore')
          : t(props.more ? 'rowsMore' : rows.length === 1 ? 'row' : 'rows', { count: count(rows.length) })}
        {props.foot}
      </div>
    </>
  )
}

/** useModel is the model of the columns. Rows are not in it, so that its cost does not grow with them. */
function useModel<Row extends RowData>({ columns, hidden }: DataTableProps<Row>) {
  const defined = useMemo(() => {
    const helper = createColumnHelper<typeof features, Row>()
    return helper.columns(columns.map(({ id, header }) => helper.display({ id, header })))
  }, [columns])
  const columnVisibility = useMemo(
    () => Object.fromEntries([...(hidden ?? [])].map((id) => [id, false])),
    [hidden],
  )
  return useTable({
    features,
    columns: defined,
    data: noRows as Row[],
    state: { columnVisibility },
    onColumnVisibilityChange: () => {},
  })
}

const noRows: never[] = []

/** useActs are what can be done with rows, by the props as they are when it is done. */
function useActs<Row>(props: DataTableProps<Row>, focus: (index: number) => void): RowActs<Row> {
  const latest = useRef(props)
  latest.current = props
  return useMemo(
    () => ({
      focus,
      open: (row) => openKept(latest.current, row),
      toggle: (id) => {
        const { selection } = latest.current
        selection?.onChange(toggled(selection.ids, id))
      },
    }),
    [focus],
  )
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
function useCursor<Row>(props: DataTableProps<Row>, show: (index: number) => void) {
  const { rows, rowId, selection, label } = props
  const [held, setHeld] = useState(() => kept(label))
  const at = useMemo(() => whereabouts(rows, rowId, held), [rows, rowId, held])
  const latest = useRef({ rows, rowId })
  latest.current = { rows, rowId }
  const setAt = useCallback((index: number) => {
    const row = latest.current.rows[index]
    if (row !== undefined) setHeld({ id: latest.current.rowId(row), index })
  }, [])
  useReturn(props, held === nowhere ? -1 : at, show)
  const go = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    if (rows.length === 0) return
    setAt(next)
    show(next)
    const id = rowId(rows[next]!)
    focusRow(id, 10)
  }
  useShortcuts({
    // A row that has gone leaves its place to the one after it.
    j: () => go(at < 0 ? held.index : at + 1),
    k: () => go((at < 0 ? held.index : at) - 1),
    ArrowDown: () => go(at < 0 ? held.index : at + 1),
    ArrowUp: () => go((at < 0 ? held.index : at) - 1),
    Home: () => go(0),
    End: () => go(rows.length - 1),
    o: () => rows[at] && openKept(props, rows[at]),
    x: () => {
      if (!selection || !rows[at]) return
      selection.onChange(toggled(selection.ids, rowId(rows[at])))
    },
  })
  return { at, setAt }
}

/** openKept opens a row, of which the history remembers that one was on it. */
function openKept<Row>({ label, rows, rowId, onOpen }: DataTableProps<Row>, row: Row): void {
  if (!onOpen) return
  const id = rowId(row)
  keep(label, { id, index: rows.findIndex((each) => rowId(each) === id) })
  onOpen(row)
}

/** useReturn puts the focus on the row from which one has come back, if it is still there and nothing else has the
 * focus: when the table is shown again, and when what was opened beside it is closed. */
function useReturn<Row>(
  { rows, rowId, opened, label }: DataTableProps<Row>,
  at: number,
  show: (index: number) => void,
): void {
  const pending = useRef(true)
  const before = useRef(opened)
  useEffect(() => {
    if (before.current && !opened) pending.current = true
    before.current = opened
    if (!pending.current || rows.length === 0) return
    pending.current = false
    const row = rows[at]
    const free = !document.activeElement || document.activeElement === document.body
    if (row === undefined || opened || !free || kept(label).id !== rowId(row)) return
    show(at)
    focusRow(rowId(row), 10)
  })
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

function SelectAll<Row>(props: { rows: readonly Row[]; rowId: (row: Row) => string; selection: Selection }) {
  const t = useWords(words)
  const { ids, onChange } = props.selection
  const all = props.rows.length > 0 && props.rows.every((row) => ids.has(props.rowId(row)))
  return (
    <div role="columnheader" className={classes['pick']}>
      <input
        type="checkbox"
        aria-label={t('selectAll')}
        checked={all}
        ref={(box) => {
          if (box) box.indeterminate = ids.size > 0 && !all
        }}
        onChange={() => onChange(all ? new Set() : new Set(props.rows.map(props.rowId)))}
      />
    </div>
  )
}
