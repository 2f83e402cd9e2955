import { memo, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import type { Column } from './DataTable.tsx'
import classes from './DataTable.module.css'
import { words } from './words.ts'

/** RowActs are what can be done with a row; the object is the same as long as the table is shown. */
export interface RowActs<Row> {
  focus: (index: number) => void
  open: (row: Row) => void
  toggle: (id: string) => void
}

export interface TableRowProps<Row> {
  row: Row
  id: string
  index: number
  start: number
  height: number
  tracks: string
  columns: readonly Column<Row>[]
  acts: RowActs<Row>
  opens: boolean
  opened: boolean
  current: boolean
  reached: boolean
  dimmed: boolean
  /** Whether it is selected; undefined where nothing can be. */
  selected: boolean | undefined
}

function TableRowPlain<Row>(props: TableRowProps<Row>): ReactNode {
  const { row, id, index, acts, selected } = props
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-current={props.opened || undefined}
      data-row={id}
      data-current={props.current || undefined}
      data-opens={props.opens || undefined}
      data-dimmed={props.dimmed || undefined}
      tabIndex={props.reached ? 0 : -1}
      className={classes['row']}
      style={{
        gridTemplateColumns: props.tracks,
        height: props.height,
        transform: `translateY(${props.start}px)`,
        position: 'absolute',
      }}
      onFocus={() => acts.focus(index)}
      onClick={(event) => {
        if ((event.target as HTMLElement).closest('a, button, input, label')) return
        if (!getSelection()?.toString()) acts.open(row)
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target === event.currentTarget) acts.open(row)
      }}
    >
      {selected !== undefined && <Pick id={id} selected={selected} onToggle={acts.toggle} />}
      {props.columns.map((column) => (
        <div role="cell" key={column.id} className={classes['cell']} data-align={column.align}>
          {column.cell(row)}
        </div>
      ))}
    </div>
  )
}

/** TableRow is one row. It is drawn again only if something of it has changed, not when the table is scrolled. */
export const TableRow = memo(TableRowPlain) as typeof TableRowPlain

function Pick({ id, selected, onToggle }: { id: string; selected: boolean; onToggle: (id: string) => void }) {
  const t = useWords(words)
  return (
    <div role="cell" className={classes['pick']}>
      <input
        type="checkbox"
        aria-label={`${t('selectRow')} ${id}`}
        checked={selected}
        onChange={() => onToggle(id)}
        tabIndex={-1}
      />
    </div>
  )
}
