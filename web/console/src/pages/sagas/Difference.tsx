import { Group, NativeSelect, SegmentedControl, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Fragment, useMemo } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { compareLines, shorten } from '@/pages/designer/difference.ts'
import { SagaGraph } from '@/saga/graph'
import { graphSteps, loadVersion, versionKey } from '@/saga/useSubs.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { changesOf, merged, paintChanges, sideBySide, type Changed, type Side } from './changes.ts'
import { sourceOf } from './importing.ts'
import classes from './sagas.module.css'
import { words } from './words.ts'

export interface DifferenceProps {
  readonly shown: Schemas['SagaVersion']
  readonly versions: readonly number[]
  readonly other: number | undefined
  readonly onOther: (version: number) => void
  readonly how: 'graph' | 'text'
  readonly onHow: (how: 'graph' | 'text') => void
  readonly selected: string | undefined
  readonly onSelect: (step: string | undefined) => void
}

/** Difference compares two versions, on the graph and as text. The older one is on the left. */
export function Difference(props: DifferenceProps) {
  const t = useWords(words)
  const { shown, versions, onOther, how, onHow } = props
  const saga = shown.name ?? ''
  const others = versions.filter((each) => each !== shown.version)
  const before = others.find((each) => each < shown.version!) ?? others[0]
  const other = others.includes(props.other ?? 0) ? props.other : before
  const query = useQuery({
    queryKey: versionKey(saga, other),
    queryFn: ({ signal }) => loadVersion(saga, other, signal),
    enabled: other !== undefined,
    staleTime: Infinity,
  })
  if (other === undefined) return <Text p="md">{t('onlyOne')}</Text>
  return (
    <>
      <div className={classes['compare']}>
        <NativeSelect
          size="sm"
          label={t('compareWith')}
          value={String(other)}
          data={others.map(String)}
          onChange={(event) => onOther(Number(event.currentTarget.value))}
        />
        <SegmentedControl
          size="sm"
          value={how}
          aria-label={t('compare')}
          onChange={(value) => onHow(value as 'graph' | 'text')}
          data={[
            { value: 'graph', label: t('asGraph') },
            { value: 'text', label: t('asText') },
          ]}
        />
      </div>
      {query.error && <ErrorBox error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && <Loading rows={8} />}
      {query.data && <Compared {...props} other={query.data} />}
    </>
  )
}

function Compared(props: Omit<DifferenceProps, 'other'> & { other: Schemas['SagaVersion'] }) {
  const t = useWords(words)
  const { shown, other, how, selected, onSelect } = props
  const [older, newer] = (other.version ?? 0) < (shown.version ?? 0) ? [other, shown] : [shown, other]
  const was = textOf(older)
  const is = textOf(newer)
  const steps = useMemo(() => [graphSteps(older), graphSteps(newer)] as const, [older, newer])
  const changes = useMemo(() => changesOf(was, is, ...steps), [was, is, steps])
  const both = useMemo(() => merged(...steps), [steps])
  const paint = useMemo(() => paintChanges(changes), [changes])
  return (
    <>
      <Changes changes={changes} onSelect={onSelect} />
      {how === 'graph' ? (
        <SagaGraph steps={both} paint={paint} selected={selected} onSelect={onSelect} label={t('tabDiff')} />
      ) : (
        <Sides
          older={was}
          newer={is}
          names={[`${older.name}@${older.version}`, `${newer.name}@${newer.version}`]}
        />
      )}
    </>
  )
}

/** textOf is the text of a version as people wrote it: of a state machine, without what it is wrapped in. */
function textOf(version: Schemas['SagaVersion']): string {
  const { machine, bindings } = sourceOf(version.text ?? '')
  return bindings ? `${machine}\n\n${bindings}` : machine
}

function Changes({ changes, onSelect }: { changes: Changed; onSelect: (step: string) => void }) {
  const t = useWords(words)
  const kinds = (['added', 'removed', 'changed'] as const).filter((kind) => changes[kind].length > 0)
  return (
    <div className={classes['changes']}>
      {kinds.length === 0 && <span className="dim">{t('nothingChanged')}</span>}
      {kinds.map((kind) => (
        <Group key={kind} gap={6}>
          <b>{t(kind)}</b>
          {changes[kind].map((id) => (
            <button key={id} type="button" onClick={() => onSelect(id)}>
              {id}
            </button>
          ))}
        </Group>
      ))}
      {changes.around.length > 0 && <span>{t('around', { keys: changes.around.join(', ') })}</span>}
    </div>
  )
}

function Sides({ older, newer, names }: { older: string; newer: string; names: readonly [string, string] }) {
  const t = useWords(words)
  const rows = useMemo(() => sideBySide(shorten(compareLines(older, newer), 6)), [older, newer])
  if (rows.length === 0) return <Text p="md">{t('same')}</Text>
  return (
    <div className={classes['sides']} role="region" aria-label={t('tabDiff')} tabIndex={0}>
      <div className={classes['sideHead']}>{names[0]}</div>
      <div className={classes['sideHead']}>{names[1]}</div>
      {rows.map((row, i) =>
        row.kind === 'skipped' ? (
          <div key={i} className={classes['skip']}>
            {t('skippedLines', { n: row.skipped ?? 0 })}
          </div>
        ) : (
          <Fragment key={i}>
            <Half side={row.left} kind={row.kind === 'same' ? 'same' : 'gone'} left />
            <Half side={row.right} kind={row.kind === 'same' ? 'same' : 'new'} />
          </Fragment>
        ),
      )}
    </div>
  )
}

const signs = { same: ' ', gone: '−', new: '+' } as const

function Half({ side, kind, left }: { side: Side | undefined; kind: keyof typeof signs; left?: boolean }) {
  const marked = side ? kind : undefined
  return (
    <>
      <span className={classes['number']} data-kind={marked}>
        {side?.number}
      </span>
      <span className={left ? classes['left'] : undefined} data-kind={marked}>
        {side && `${signs[kind]} ${side.text}`}
      </span>
    </>
  )
}
