import { Checkbox, Group } from '@mantine/core'
import { useMemo, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import { absolute } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { endOf, startOf, troubled, type Item, type Lane } from '@/shared/timeline/model.ts'
import { length, since } from '@/shared/timeline/since.ts'
import { words as timelineWords } from '@/shared/timeline/words.ts'
import { words } from './words.ts'

interface Row {
  readonly id: string
  readonly lane: string
  readonly item: Item
}

/** TimelineTable says in words what the lanes of a timeline show. */
export function TimelineTable({
  lead,
  lanes,
  origin,
  failedOnly,
  onFailedOnly,
}: {
  lead: ReactNode
  lanes: readonly Lane[]
  origin: number
  failedOnly: boolean
  onFailedOnly: (only: boolean) => void
}) {
  const t = useWords(timelineWords)
  const own = useWords(words)
  const rows = useMemo(() => {
    const all = lanes.flatMap((lane) =>
      lane.items.map((item): Row => ({ id: item.id, lane: lane.title, item })),
    )
    const wanted = failedOnly ? all.filter((row) => troubled(row.item)) : all
    return wanted.sort((a, b) => startOf(a.item) - startOf(b.item))
  }, [lanes, failedOnly])
  const columns = useMemo(
    (): Column<Row>[] => [
      {
        id: 'since',
        header: t('colSince'),
        width: '110px',
        align: 'right',
        cell: ({ item }) => since(startOf(item) - origin),
      },
      { id: 'time', header: t('colTime'), width: '230px', cell: ({ item }) => absolute(startOf(item)) },
      { id: 'lane', header: t('colLane'), width: 'minmax(140px, 1fr)', cell: ({ lane }) => lane },
      { id: 'what', header: t('colWhat'), width: 'minmax(240px, 2fr)', cell: ({ item }) => item.title },
      {
        id: 'took',
        header: t('colTook'),
        width: '100px',
        align: 'right',
        cell: ({ item }) =>
          item.type === 'span' && item.startKnown ? length(endOf(item) - startOf(item)) : '',
      },
      { id: 'said', header: t('colSaid'), width: 'minmax(160px, 2fr)', cell: ({ item }) => item.text ?? '' },
    ],
    [t, origin],
  )
  return (
    <>
      <Group p={10} gap="md">
        {lead}
        <Checkbox
          size="xs"
          label={t('failedOnly')}
          checked={failedOnly}
          onChange={(event) => onFailedOnly(event.currentTarget.checked)}
        />
      </Group>
      <DataTable
        label={own('tabTimeline')}
        rows={rows}
        rowId={(row) => row.id}
        columns={columns}
        height="420px"
      />
    </>
  )
}
