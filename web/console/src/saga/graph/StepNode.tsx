import { Handle, Position, useStore, type Node, type NodeProps } from '@xyflow/react'
import { createContext, memo, useContext, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import classes from './SagaGraph.module.css'
import { iconOf, isSub, kindWord } from './kinds.ts'
import { startMark, type Direction } from './layout.ts'
import { shortTarget, type GraphStep } from './model.ts'
import { paintTone, type Paint } from './paint.ts'
import { hasTraits } from './size.ts'
import { words } from './words.ts'

/** StepData is what a node of the graph knows. */
export interface StepData extends Record<string, unknown> {
  readonly path: string
  readonly kind: 'step' | 'group' | 'mark'
  readonly step?: GraphStep
  readonly paint?: Paint | undefined
  /** Whether there is room for a state, although there is none yet. */
  readonly painted: boolean
  readonly direction: Direction
  readonly chosen: boolean
  /** Whether Tab leads to it: one step of the graph has that. */
  readonly tab: boolean
  readonly label: string
}

export type StepFlowNode = Node<StepData, 'step' | 'sub' | 'mark'>

/** GraphActs are what nodes can have done; they never change, so that nodes are not drawn anew for them. */
export interface GraphActs {
  readonly choose: (path: string) => void
  readonly open: (path: string) => void
  readonly fold: (path: string) => void
  readonly foldable: boolean
  readonly connectable: boolean
  readonly extra: ((path: string, step: GraphStep) => ReactNode) | undefined
}

export const GraphActsContext = createContext<GraphActs | undefined>(undefined)

const sides = {
  down: { into: Position.Top, out: Position.Bottom },
  right: { into: Position.Left, out: Position.Right },
} as const

function Ends({ direction, connectable }: { direction: Direction; connectable: boolean }) {
  const side = sides[direction]
  return (
    <>
      <Handle type="target" position={side.into} isConnectable={connectable} className={classes['handle']} />
      <Handle type="source" position={side.out} isConnectable={connectable} className={classes['handle']} />
    </>
  )
}

/** StepNode draws one step. */
export const StepNode = memo(function StepNode({ data }: NodeProps<StepFlowNode>) {
  const acts = useContext(GraphActsContext)!
  const step = data.step!
  return (
    <div
      className={classes['node']}
      data-pivot={step.pivot || undefined}
      data-tone={data.paint?.state && paintTone(data.paint.state)}
      data-state={data.paint?.state}
      data-change={data.paint?.change}
      data-finding={data.paint?.findings?.severity}
      data-current={data.paint?.current || undefined}
      data-chosen={data.chosen || undefined}
    >
      <Ends direction={data.direction} connectable={acts.connectable} />
      <button
        type="button"
        className={classes['face']}
        data-path={data.path}
        tabIndex={data.tab ? 0 : -1}
        aria-pressed={data.chosen}
        aria-label={data.label}
        onClick={() => acts.choose(data.path)}
        onDoubleClick={() => acts.open(data.path)}
      >
        <Head step={step} />
        <Traits step={step} />
        {data.painted && <State paint={data.paint} />}
      </button>
      <Corner paint={data.paint} />
      {isSub(step) && acts.foldable && <Fold path={data.path} step={step} folded />}
      {acts.extra?.(data.path, step)}
    </div>
  )
})

function Head({ step }: { step: GraphStep }) {
  const t = useWords(words)
  const word = kindWord(step.kind)
  const target = step.target ? shortTarget(step.target) : word ? t(word) : step.kind
  return (
    <span className={classes['head']}>
      <span className={classes['icon']} data-kind={step.kind} title={word ? t(word) : step.kind}>
        <Icon path={iconOf(step.kind)} />
      </span>
      <span className={classes['names']}>
        <span className={classes['title']}>{step.title || step.id}</span>
        <span className={classes['target']} title={step.target}>
          {step.title && step.title !== step.id ? <b>{step.id}</b> : null} {target}
        </span>
      </span>
    </span>
  )
}

/** Traits are what is special about a step, in short words with a longer one to point at. */
function Traits({ step }: { step: GraphStep }) {
  const t = useWords(words)
  const kind = step.compensate ? kindWord(step.compensate) : undefined
  if (!hasTraits(step)) return null
  return (
    <span className={classes['traits']}>
      {step.pivot && <Trait name="pivot" text={t('pivot')} help={t('pivotHelp')} />}
      {step.when && <Trait text={t('when')} help={t('whenIs', { condition: step.when })} />}
      {step.forEach && <Trait text={t('loop')} help={t('loopOf', { list: step.forEach })} />}
      {step.repeat && <Trait text={t('repeat')} help={t('repeatHelp')} />}
      {step.onRefused === 'continue' && <Trait text={t('goesOn')} help={t('goesOnHelp')} />}
      {step.compensate && (
        <Trait name="undo" text={t('undoShort')} help={t('undo', { kind: kind ? t(kind) : step.compensate })} />
      )}
    </span>
  )
}

function Trait({ text, help, name }: { text: string; help: string; name?: string }) {
  return (
    <span className={classes['trait']} data-trait={name} title={help}>
      {name === 'undo' && <Icon size={10} path="M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6" />}
      {name === 'pivot' && <Icon size={10} path="M3 14V2h9l-2 3.5 2 3.5H3" />}
      {text}
    </span>
  )
}

const shapes = {
  good: 'M3 8.5l3.5 3.5L13 5',
  bad: 'M4 4l8 8M12 4l-8 8',
  warn: 'M8 2.5l6 11H2zM8 7v3M8 12v.2',
  work: 'M8 2a6 6 0 1 1-6 6M2 4v4h4',
  undo: 'M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6',
  idle: 'M4 8h8',
} as const

/** State is how far a step is, in a shape, a word, and numbers. */
function State({ paint }: { paint: Paint | undefined }) {
  const t = useWords(words)
  const state = paint?.state ?? 'idle'
  const { items, attempts, durationMs, took, note } = paint ?? {}
  return (
    <span className={classes['state']}>
      <Icon path={shapes[paintTone(state)]} size={12} />
      <span className={classes['stateWord']}>{note ?? t(state)}</span>
      {paint?.byHand && <span>{t('byHand')}</span>}
      {took && <span className="clip">{t('took', { way: took })}</span>}
      {items && <span className="num">{t('items', { done: items.done, of: items.of })}</span>}
      {!!attempts && attempts > 1 && (
        <span className="num" title={t('attempts', { n: attempts })}>
          {t('attemptsShort', { n: attempts })}
        </span>
      )}
      {durationMs !== undefined && <span className={`num ${classes['took']}`}>{span(durationMs)}</span>}
    </span>
  )
}

/** Corner marks what a comparison, a review, or a path says of a step. */
function Corner({ paint }: { paint: Paint | undefined }) {
  const t = useWords(words)
  if (!paint?.change && !paint?.findings && !paint?.positions) return null
  return (
    <span className={classes['corner']}>
      {paint.positions?.map((n) => (
        <span key={n} className={classes['position']} title={t('position', { n })}>
          {n}
        </span>
      ))}
      {paint.change && (
        <span className={classes['change']} data-change={paint.change}>
          {t(paint.change)}
        </span>
      )}
      {paint.findings && (
        <span
          className={classes['finding']}
          data-finding={paint.findings.severity}
          title={paint.findings.texts.join('\n')}
        >
          {t(paint.findings.severity)}
        </span>
      )}
    </span>
  )
}

function Fold({ path, step, folded }: { path: string; step: GraphStep; folded: boolean }) {
  const t = useWords(words)
  const acts = useContext(GraphActsContext)!
  const saga = step.target || step.id
  // It stays large enough to be hit when the graph is small.
  const size = useStore((flow) => Math.min(44, Math.max(24, 24 / flow.transform[2])))
  return (
    <button
      type="button"
      className={classes['fold']}
      style={{ width: size, height: size }}
      aria-expanded={!folded}
      aria-label={t(folded ? 'unfold' : 'fold', { saga })}
      title={t(folded ? 'unfold' : 'fold', { saga })}
      onClick={() => acts.fold(path)}
    >
      <Icon path={folded ? 'M8 3v10M3 8h10' : 'M3 8h10'} size={12} />
    </button>
  )
}

/** GroupNode draws the frame around the steps of a sub-saga that is unfolded. */
export const GroupNode = memo(function GroupNode({ data }: NodeProps<StepFlowNode>) {
  const acts = useContext(GraphActsContext)!
  const t = useWords(words)
  const step = data.step!
  return (
    <div
      className={classes['group']}
      data-chosen={data.chosen || undefined}
      data-tone={data.paint?.state && paintTone(data.paint.state)}
    >
      <Ends direction={data.direction} connectable={acts.connectable} />
      <button
        type="button"
        className={classes['groupHead']}
        data-path={data.path}
        tabIndex={data.tab ? 0 : -1}
        aria-pressed={data.chosen}
        aria-label={data.label}
        onClick={() => acts.choose(data.path)}
      >
        <Icon path={iconOf('subSaga')} size={14} />
        <span className="clip">{step.title || step.id}</span>
        <span className={classes['target']}>{step.target}</span>
        {data.paint?.state && <span className={classes['stateWord']}>{t(data.paint.state)}</span>}
      </button>
      <Fold path={data.path} step={step} folded={false} />
    </div>
  )
})

/** MarkNode draws where it begins and where it ends. */
export const MarkNode = memo(function MarkNode({ data }: NodeProps<StepFlowNode>) {
  const t = useWords(words)
  const begins = data.path === startMark
  return (
    <div className={classes['mark']} data-mark={begins ? 'start' : 'end'} title={t(begins ? 'start' : 'end')}>
      <Ends direction={data.direction} connectable={false} />
      {begins ? <Icon path="M6 4l6 4-6 4z" size={12} /> : <Icon path="M5 5h6v6H5z" size={12} />}
    </div>
  )
})
