import { Alert, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { DiffView } from './DiffView.tsx'
import { countsOf, type Finding } from './findings.ts'
import { FindingsPane } from './FindingsPane.tsx'
import type { Saving } from './saving.ts'
import { loadVersion, publishDraft } from './server.ts'
import { words } from './words.ts'

export interface PublishProps {
  readonly name: string
  readonly text: string
  readonly saving: Saving
  readonly findings: readonly Finding[]
  readonly checked: boolean
  readonly explored: Schemas['SagaExplored'] | undefined
  readonly onClose: () => void
  readonly onJump: (finding: Finding) => void
}

/** PublishDialog shows what is about to be published: findings, difference, a note; then says what came of it. */
export function PublishDialog(props: PublishProps) {
  const t = useWords(words)
  const { name, text, saving, findings } = props
  const [note, setNote] = useState('')
  const newest = useQuery({
    queryKey: ['designer', 'newest', name],
    queryFn: async ({ signal }) => (await loadVersion(name, undefined, signal)) ?? null,
    staleTime: 0,
  })
  const publish = useMutation({
    mutationFn: async () => {
      if (!(await saving.flush()) || !saving.etag) throw new Error(t('notSavedYet'))
      return publishDraft(name, saving.etag, note.trim())
    },
    onSuccess: (done) => {
      if (!done.draftKept) saving.forget(text)
    },
  })
  const { error: errors, warning } = countsOf(findings)
  const bad = props.explored?.failures?.length ?? 0
  return (
    <Modal
      opened
      onClose={props.onClose}
      size="xl"
      title={t('publishTitle', { name })}
      transitionProps={{ duration: 0 }}
    >
      {publish.data ? (
        <Published done={publish.data} onClose={props.onClose} />
      ) : (
        <Stack gap="md">
          <Group gap="xs">
            {errors > 0 && <Mark tone="bad" text={t('errorsN', { n: errors })} />}
            {bad > 0 && <Mark tone="bad" text={t('endsBadly', { n: bad })} />}
            {errors === 0 && bad === 0 && props.checked && <Sound warnings={warning} />}
            {newest.data && <Mark tone="idle" text={t('newestIs', { version: newest.data.version ?? 0 })} />}
            {newest.isSuccess && !newest.data && <Mark tone="idle" text={t('firstVersion')} />}
          </Group>
          {findings.length > 0 && (
            <FindingsPane findings={findings} checked={props.checked} onJump={props.onJump} />
          )}
          {newest.isPending && <Loading rows={3} />}
          {newest.error && <ErrorBox error={newest.error} />}
          {newest.data?.text !== undefined && (
            <DiffView
              left={newest.data.text}
              right={text}
              label={t('differenceTo', { version: newest.data.version ?? 0 })}
            />
          )}
          <Textarea
            label={t('note')}
            description={t('noteHelp')}
            value={note}
            maxLength={900}
            autosize
            minRows={2}
            data-autofocus
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {publish.error &&
            (publish.error instanceof Refused ? (
              <ErrorBox error={publish.error} />
            ) : (
              <Alert className="error-box" variant="outline" role="alert" title={publish.error.message} />
            ))}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={props.onClose}>
              {t('cancel')}
            </Button>
            <Button
              onClick={() => publish.mutate()}
              loading={publish.isPending}
              disabled={errors > 0 || bad > 0}
            >
              {t('publishNow')}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}

/** Sound says that nothing stands in the way, and whether there is something to think about all the same. */
export function Sound({ warnings }: { warnings: number }) {
  const t = useWords(words)
  if (warnings === 0) return <Mark tone="good" text={t('sound')} />
  return <Mark tone="warn" text={warnings === 1 ? t('soundWarned1') : t('soundWarned', { n: warnings })} />
}

function Published({ done, onClose }: { done: Schemas['SagaPublication']; onClose: () => void }) {
  const t = useWords(words)
  const to = `/sagas/${encodeURIComponent(done.name ?? '')}`
  return (
    <Stack gap="md" role="status">
      <Group gap="xs">
        <Mark tone="good" text={t('isPublished', { name: done.name ?? '', version: done.version ?? 0 })} />
        <When at={done.at} />
      </Group>
      {done.draftKept && <Text size="sm">{t('draftKept')}</Text>}
      <Group gap="xs" justify="flex-end">
        <Button variant="default" onClick={onClose}>
          {t('goOnEditing')}
        </Button>
        <Button component={Link} to={to} data-autofocus>
          {t('toSaga')}
        </Button>
      </Group>
    </Stack>
  )
}

/** ConflictDialog shows what somebody else has saved meanwhile, and lets one choose. */
export function ConflictDialog({
  saving,
  mine,
  onClose,
}: {
  saving: Saving
  mine: string
  onClose: () => void
}) {
  const t = useWords(words)
  const { state } = saving
  if (state.kind !== 'conflict') return null
  const { theirs } = state
  return (
    <Modal opened onClose={onClose} size="xl" title={t('conflictTitle')} transitionProps={{ duration: 0 }}>
      <Stack gap="md">
        {theirs ? (
          <Text size="sm">
            {t('conflictText', { by: theirs.by })} <When at={theirs.at} />
          </Text>
        ) : (
          <Text size="sm">{t('conflictGone')}</Text>
        )}
        {theirs && <DiffView left={theirs.text} right={mine} label={t('differenceTheirs')} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="subtle" onClick={onClose}>
            {t('decideLater')}
          </Button>
          {theirs && (
            <Button
              variant="default"
              onClick={() => {
                saving.takeTheirs()
                onClose()
              }}
            >
              {t('takeTheirs')}
            </Button>
          )}
          <Button onClick={() => void saving.keepMine().then((all) => all && onClose())}>
            {t('keepMine')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

/** LeaveDialog asks before what is not saved is lost. */
export function LeaveDialog({ onStay, onLeave }: { onStay: () => void; onLeave: () => void }) {
  const t = useWords(words)
  return (
    <Modal opened onClose={onStay} title={t('leaveTitle')} transitionProps={{ duration: 0 }}>
      <Stack gap="md">
        <Text size="sm">{t('leaveText')}</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onLeave}>
            {t('leave')}
          </Button>
          <Button data-autofocus onClick={onStay}>
            {t('stay')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

/** ConvertDialog asks before comments are lost. */
export function ConvertDialog({ onNo, onYes }: { onNo: () => void; onYes: () => void }) {
  const t = useWords(words)
  return (
    <Modal opened onClose={onNo} title={t('convertTitle')} transitionProps={{ duration: 0 }}>
      <Stack gap="md">
        <Text size="sm">{t('convertText')}</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onNo}>
            {t('cancel')}
          </Button>
          <Button data-autofocus onClick={onYes}>
            {t('convert')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
