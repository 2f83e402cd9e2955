import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { Plan } from './Plan.tsx'
import { roleOf, type Job } from './progress.ts'
import { useStart } from './useJobs.ts'
import { words, type Word } from './words.ts'

/** StartDialog starts a job that is planned, or has an interrupted one go on. */
export function StartDialog({ job, onClose }: { job: Job; onClose: () => void }) {
  const t = useWords(words)
  const [reason, setReason] = useState(job.reason ?? '')
  const start = useStart()
  const title = t('planTitle', { action: t(job.action as Word) })
  const begin = () =>
    start.mutate({ job, reason: reason.trim() }, { onSuccess: (answer) => !answer.approval && onClose() })
  return (
    <Modal
      opened
      onClose={onClose}
      title={title}
      size="lg"
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      <Stack gap="sm">
        {start.data?.approval ? (
          <>
            <Mark tone="warn" text={t('secondPerson')} />
            <Text size="sm">{t('secondPersonText')}</Text>
          </>
        ) : (
          <>
            <Plan job={job} />
            <Textarea
              label={t('reason')}
              placeholder={t('reasonHint')}
              value={reason}
              autosize
              minRows={2}
              required
              maxLength={160}
              data-autofocus
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          </>
        )}
        {start.error && <ErrorBox error={start.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t('close')}
          </Button>
          {!start.data?.approval && (
            <MayButton
              role={roleOf(job.action ?? '')}
              reason={reason.trim() ? undefined : t('reasonMissing')}
              loading={start.isPending}
              onClick={begin}
            >
              {t('startThis', { action: t(job.action as Word), count: count(job.total ?? 0) })}
            </MayButton>
          )}
        </Group>
      </Stack>
    </Modal>
  )
}
